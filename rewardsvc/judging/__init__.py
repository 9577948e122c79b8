"""What judging by language models rests on: pure functions, one idea a file, no I/O.

Prompts and quoting, reading of judgements, scores from probabilities, aggregation of votes
and comparisons, defences against responses that speak to the judge, and checks of the judge.
"""
