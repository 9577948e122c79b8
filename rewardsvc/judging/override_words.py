"""The words of responses that speak to the judge instead of answering, by language."""

from __future__ import annotations

import re

from rewardsvc.judging.folding import fold


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


IGNORE = _words(
    "ignore disregard forget override bypass overrule skip discard neglect suspend stop abandon"
)
GRADING_RULES = _words(
    "rubric rubrics criteria criterion grading scoring evaluation evaluating judging"
)
FOLLOW = _words("follow use apply obey consult consider evaluate grade judge")
VOID = _words(
    "suspended disabled void invalid cancelled canceled obsolete skipped overridden unnecessary "
    "required needed apply"
)
CHANGED = _words("changed updated superseded revised replaced paused")
MACHINES = _words("assistant system model ai bot program engine agent")
RULES = _words(
    "instruction instructions guideline guidelines rules prompt prompts directions directive "
    "directives reference"
)
EARLIER = _words(
    "previous prior above earlier preceding all any every your these those given system original "
    "initial said existing aforementioned"
)
LEADS = _words(
    "please and then now must should just simply always you instead kindly also therefore only "
    "so will"
)
DUTIES = _words("is task job need needs have required instructed told asked programmed supposed")
AWARD = _words(
    "give award assign grant rate score mark grade output return print respond answer reply say "
    "write choose select pick declare consider treat label report set accept approve deem emit "
    "provide deserves deserve merits merit earn earns warrants receive receives get gets rank "
    "end finish conclude outputs gives returns awards assigns says prints "
    "graded marked scored rated considered treated labeled accepted deemed"
)
DESERVES = _words("deserves deserve merits merit warrants")
RECEIVES = _words("receive receives get gets earn earns")
MODALS = _words("should must shall will to now")
PARTICIPLES = _words("graded marked scored rated considered treated labeled accepted deemed")
EVERYONE = _words("every all each any")
WORKS = _words("responses answers submissions solutions")
TOP = _words("max maximum maximal highest top perfect full best greatest")
GRADE = _words("score scores rating ratings grade grades reward rewards verdict result")
POINTS = _words("mark marks point points credit credits star stars")
OWN = _words("this my above following our said present")
WORK = _words(
    "response answer solution submission essay output reply work text completion candidate "
    "assistant one message paper"
)
RIGHT = _words("correct right true valid met passed pass accurate flawless perfect")
TOP_NUMBERS = _words("5 10 100 9 95 99 1 20")
TOPS = TOP | RIGHT | TOP_NUMBERS
"""One of these is in every demand of a top grade that is found."""
ADDRESSEE = _words(
    "judge judges grader graders evaluator evaluators rater raters reviewer reviewers assessor "
    "assessors scorer scorers examiner examiners verifier verifiers judging autograder"
)
GREETING = _words(
    "dear note attention hey hello hi message memo important instruction instructions to you as "
    "listen notice ps reminder"
)
NARRATORS = _words(
    "we i they he she it students people attackers models users which that who can could may "
    "might will would often sometimes tries try never not without dont cannot t"
)
CONDITIONS = _words("if when whenever unless only where based according depending")
GRADING_TOPIC = _words(
    "score scores scoring rate rating ratings grade grades grading graded rubric rubrics judge "
    "judges judging evaluate evaluating evaluation evaluator assess assessing assessment review "
    "reviews rank ranking critique feedback marks verdict injection jailbreak reviewer"
)

_SPOKEN = (
    IGNORE.union(RULES, GRADING_RULES, AWARD, TOP, GRADE, POINTS, OWN, WORK, RIGHT, ADDRESSEE)
    | _words("the all any previous prior above your a of and")
)  # fmt: skip
VOCABULARY = re.compile("|".join(sorted(_SPOKEN, key=lambda word: (-len(word), word))))
"""For taking apart words that were written without spaces."""


def _compiled(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(fold(pattern) for pattern in patterns))


# Every gap is bounded; `[^.\n]` keeps a match within one sentence.
FOREIGN_IGNORE_STEMS = tuple(
    fold(stem)
    for stem in (
        *("ignor", "olvid", "omit", "descart", "oubli", "neglig", "vergiss", "vergesse"),
        *("missacht", "esque", "dimentica", "trascura", "игнорир", "забуд", "pomin", "negeer"),
        *("vergeet", "gormezden", "yok say", "unut", "忽略", "无视", "無視", "忽视", "不要理会"),
        *("请忘记", "忘れ", "무시", "잊", "تجاهل", "انس", "अनदेखा", "नज़रअंदाज़", "भूल"),
        *("bo qua", "abaikan"),
    )
)
"""One of these is in every match of the next pattern."""
FOREIGN_IGNORE = _compiled(
    r"(?:ignor|olvid|omit|descart)\w{0,6}[^.\n]{0,40}(?:instruccion|rubrica|criterio|regla)",
    r"(?:ignore[zs]|ignorer|oubli|neglig)\w{0,4}[^.\n]{0,40}(?:instruction|consigne|bareme|critere|grille)",
    r"(?:ignorier|vergiss|vergesse|missacht)\w{0,4}[^.\n]{0,40}"
    r"(?:anweisung|bewertung|kriteri|rubrik|regel|vorgabe)",
    r"(?:ignor|esque)\w{0,5}[^.\n]{0,40}(?:instruco|instrucao|rubrica|criterio|regra)",
    r"(?:ignora|dimentica|trascura)\w{0,4}[^.\n]{0,40}(?:istruzion|rubrica|criteri|regol)",
    r"(?:игнорир|проигнорир|забуд)\w{0,6}[^.\n]{0,40}(?:инструкц|критери|правил|рубрик|указан)",
    r"(?:zignoruj|ignoruj|pomin)\w{0,4}[^.\n]{0,40}(?:instrukcj|kryteri|zasad|rubryk)",
    r"(?:negeer|vergeet)\w{0,4}[^.\n]{0,40}(?:instructie|criteria|rubriek|regels)",
    r"(?:talimat|kural|kriter|olcut)\w{0,10}[^.\n]{0,30}(?:gormezden|yok say|unut)",
    r"(?:忽略|无视|無視|忽视|不要理会|请忘记)[^。\n]{0,20}"
    r"(?:指示|指令|标准|標準|规则|規則|要求|提示|说明|量规)",
    r"(?:指示|基準|ルール|ルーブリック|採点|評価基準|命令)[^。\n]{0,12}(?:無視|忘れ)",
    r"(?:지시|기준|규칙|루브릭|채점)[^.\n]{0,14}(?:무시|잊)",
    r"(?:تجاهل|انس)[^.\n]{0,40}(?:تعليمات|معايير|قواعد|التقييم)",
    r"(?:निर्देश|नियम|मानदंड|रूब्रिक)[^।\n]{0,30}(?:अनदेखा|नज़रअंदाज़|भूल)",
    r"(?:bo qua)[^.\n]{0,40}(?:huong dan|tieu chi|quy tac|chi dan)",
    r"(?:abaikan)[^.\n]{0,40}(?:instruksi|petunjuk|rubrik|kriteria|aturan)",
)
FOREIGN_TOP_GRADE = _compiled(
    r"\b(?:da|dale|otorga|asigna|califica|pon|puntua)\w{0,4}[^.\n]{0,50}"
    r"(?:puntuacion (?:maxima|perfecta|mas alta)|maxima (?:puntuacion|calificacion|nota)|10|5/5)",
    r"\b(?:donne|attribue|accorde|mets|notez)\w{0,4}[^.\n]{0,50}"
    r"(?:note maximale|meilleure note|score maximal|maximum de points|10|5/5)",
    r"\b(?:gib|geben|vergib|vergeben|bewerte)\w{0,4}[^.\n]{0,50}"
    r"(?:hochste\w{0,2} (?:punkt|note|bewertung)|volle punkt|bestnote|maximal|10|5/5)",
    r"\b(?:atribua|avalie|conceda|de (?:a )?nota|de (?:a )?pontuacao)\w{0,3}[^.\n]{0,50}"
    r"(?:nota maxima|pontuacao maxima|nota mais alta|10|5/5)",
    r"\b(?:dai|assegna|attribuisci|valuta)\w{0,3}[^.\n]{0,50}"
    r"(?:punteggio massimo|voto massimo|massimo dei voti|10|5/5)",
    r"(?:постав|дай|оцени|присво)\w{0,4}[^.\n]{0,50}(?:максимальн|высш|10|5 балл|отличн)",
    r"\b(?:daj|przyznaj|ocen)\w{0,4}[^.\n]{0,50}(?:maksymaln|najwyzsz|10|5/5)",
    r"\b(?:geef)\w{0,3}[^.\n]{0,50}(?:hoogste|maximale|10|5/5)",
    r"(?:tam puan|en yuksek puan|10 puan)[^.\n]{0,20}(?:ver|yaz)",
    r"(?:给|打|评为|判为|输出|給)[^。\n]{0,16}(?:满分|滿分|最高分|10\s?分|5\s?分|100\s?分|正确)",
    r"(?:満点|最高点|最高得点|10\s?点|5\s?点|100\s?点)[^。\n]{0,10}(?:与え|付け|つけ|くだ|出)",
    r"(?:만점|최고 점수|10\s?점|5\s?점|100\s?점)[^.\n]{0,12}(?:주|부여|매기)",
    r"(?:أعط|امنح|قيم)[^.\n]{0,50}(?:الدرجة الكاملة|أعلى درجة|10|5)",
    r"(?:पूरे अंक|अधिकतम अंक|10 अंक|पूर्ण अंक)[^।\n]{0,20}(?:द)",
    r"\b(?:cho|cham)[^.\n]{0,40}(?:diem toi da|diem cao nhat|10 diem|5 diem)",
    r"\b(?:beri|berikan)\w{0,4}[^.\n]{0,40}"
    r"(?:nilai tertinggi|skor tertinggi|nilai maksimal|10|5/5)",
)
FOREIGN_EARNS = _compiled(
    r"merece[^.\n]{0,30}(?:maxima|perfecta|mas alta|10)",
    r"merite[^.\n]{0,30}(?:maximale|meilleure|parfait|10)",
    r"verdient[^.\n]{0,30}(?:hochste|volle|bestnote|maximal|10)",
    r"merita[^.\n]{0,30}(?:massimo|pieni|10)",
    r"заслужива[^.\n]{0,30}(?:максимальн|высш|10)",
    r"zasluguje[^.\n]{0,30}(?:maksymaln|najwyzsz|10)",
    r"(?:应得|應得|值得|应获得|当得)[^。\n]{0,6}(?:满分|滿分|最高分|10\s?分)",
    r"(?:満点|最高点)[^。\n]{0,4}(?:に値|ふさわしい)",
)
FOREIGN_OWN = _compiled(
    r"(?:esta|mi) (?:respuesta|solucion)",
    r"(?:cette|ma) (?:reponse|solution)",
    r"(?:diese|dieser|meine|meiner) (?:antwort|losung)",
    r"(?:esta|minha) (?:resposta|solucao)",
    r"(?:questa|mia) (?:risposta|soluzione)",
    r"(?:этот|этому|мой|моему) (?:ответ|решени)",
    r"(?:这个|此|本|我的|该|這個)(?:回答|答案|解答|回复)",
    r"(?:この|私の)(?:回答|解答|答え)",
    r"(?:이|제) (?:답변|답안|응답)",
    r"هذه (?:الإجابة|الاجابة)",
    r"इस (?:उत्तर|जवाब)",
)
