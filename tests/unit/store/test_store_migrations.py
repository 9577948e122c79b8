"""Migrations: once, under a lock, and to what the code expects."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import column, inspect, table, update

from rewardsvc.errors import ConfigError
from rewardsvc.store import Database, migrate, revisions
from rewardsvc.store.schema import metadata


async def test_the_migrations_make_the_tables_that_the_code_uses(database):
    def differences(connection):
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return compare_metadata(context, metadata)

    assert await database.read(differences) == []


async def test_constraints_and_indexes_have_the_names_of_the_schema(database):
    """Alembic's comparison leaves out checks and partial indexes."""

    def names(connection):
        inspector = inspect(connection)
        return {
            table.name: (
                {each["name"] for each in inspector.get_check_constraints(table.name)},
                {
                    each["name"]
                    for each in inspector.get_indexes(table.name)
                    if not each.get("duplicates_constraint")
                },
            )
            for table in metadata.sorted_tables
        }

    wanted = {
        table.name: (
            {str(each.name) for each in table.constraints if str(each.name).startswith("ck_")},
            {str(each.name) for each in table.indexes},
        )
        for table in metadata.sorted_tables
    }
    assert await database.read(names) == wanted


async def test_several_replicas_may_start_at_once(address):
    replicas = [Database(address) for _ in range(4)]
    try:
        await asyncio.gather(*(replica.open() for replica in replicas))
        assert await replicas[0].read(revisions.current) == 0
    finally:
        for replica in replicas:
            await replica.close()


def test_several_processes_may_start_at_once(address):
    program = (
        "import asyncio, sys\n"
        "from rewardsvc.store import Database, parse_address\n"
        "async def run():\n"
        "    database = Database(parse_address(sys.argv[1]))\n"
        "    sys.stdin.readline()\n"
        "    await database.open()\n"
        "    await database.close()\n"
        "asyncio.run(run())\n"
    )
    url = address.url.render_as_string(hide_password=False)
    command = [sys.executable, "-W", "error", "-c", program, url]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[1] for process in processes] == ["", "", ""]
    assert [process.returncode for process in processes] == [0, 0, 0]


async def test_a_store_of_a_newer_release_is_left_alone(database):
    version = table("alembic_version", column("version_num"))
    await database.write(lambda c: c.execute(update(version).values(version_num="9999")) and None)
    with pytest.raises(ConfigError, match=r"'9999'.*newer release.*0001"):
        await database.open()


async def test_every_step_can_be_taken_back(database):
    def back(connection):
        config = Config()
        config.set_main_option("script_location", str(migrate._FOLDER))
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        return inspect(connection).get_table_names()

    assert await database.write(back) == ["alembic_version"]
    await database.open()
    assert await database.read(revisions.current) == 0
