"""The command line: `python -m bank_assets <command>`."""

import argparse
import logging
import sys
import warnings
from importlib import import_module
from typing import Final

from bank_assets.contract.errors import ContractError
from bank_assets.environment import SettingsError
from bank_assets.settings import load_settings
from bank_assets.store.places import WarehouseError

COMMANDS: Final = {
    "run": ("bank_assets.commands.run", "land the source and run the main job"),
    "pull": ("bank_assets.commands.pull", "deliver the new contacts of a database source"),
    "replay": ("bank_assets.commands.replay", "decide the history day by day, policies side by side"),
    "relocate": ("bank_assets.commands.relocate", "after a home was moved: register its artifacts where they lie now"),
    "prune": ("bank_assets.commands.prune", "remove old snapshots of tables that nothing refers to"),
    "adopt": ("bank_assets.commands.adopt", "draft a contract from your own file, or check a file against one"),
    "demo": ("bank_assets.commands.demo", "time travel: past months arrive and the loop responds unattended"),
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns 0 for success, 1 for a technical failure, 2 for wrong usage.

    An error of ours says what to do, in one sentence; any other keeps its traceback.
    """
    warnings.filterwarnings("ignore")  # third-party warnings for developers; the test suite shows them
    parser = argparse.ArgumentParser(prog="bank_assets", description="Whom is it worth calling?")
    commands = parser.add_subparsers(dest="command", required=True)
    name = next((word for word in (sys.argv[1:] if argv is None else argv) if not word.startswith("-")), "")
    try:
        for command, (module, text) in COMMANDS.items():
            sub = commands.add_parser(command, help=text)
            if command == name:  # importing a command takes seconds, and some load the definitions of the deployment
                import_module(module).add_arguments(sub)
        arguments = parser.parse_args(argv)
        logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
        settings = load_settings()
    except (SettingsError, ContractError, WarehouseError) as error:
        print(error, file=sys.stderr)
        return 2
    try:
        return int(import_module(COMMANDS[arguments.command][0]).run(arguments, settings))
    except Exception as error:
        if isinstance(error, OSError) and str(error.filename).startswith(str(settings.home)):
            print(f"BANK_HOME: expected a folder that can be written, found {error}; correct it.", file=sys.stderr)
        elif type(error).__module__.startswith("bank_assets."):
            print(error, file=sys.stderr)
        else:
            raise
        return 1


if __name__ == "__main__":
    sys.exit(main())
