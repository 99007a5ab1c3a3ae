"""The commands about who may sign in, as `cli` offers them. What they do is in `people` and `tls`."""

import argparse
from collections.abc import Callable, Sequence

Add = Callable[..., argparse.ArgumentParser]


def add_commands(add: Add, settings: Sequence[argparse.ArgumentParser]) -> None:
    """Put them in."""
    password = add("password", parents=settings, help="set the admin password")
    password.add_argument("--account", default="admin", metavar="NAME", help="of an account")
    how = password.add_mutually_exclusive_group()
    how.add_argument("--random", action="store_true", help="make one and print it")
    how.add_argument("--forget", action="store_true", help="have none, and print a setup code")
    how.add_argument("--code", action="store_true", help="print the setup code of a new appliance")
    password.set_defaults(run=_password)
    _accounts(_actions(add, "accounts", "show, add or remove people's accounts"), settings)
    _keys(_actions(add, "keys", "show, add or remove keys for programs"), settings)
    tls = add("tls", parents=settings, help="make a certificate, and print its fingerprint")
    tls.add_argument("--again", action="store_true", help="make a new one")
    tls.set_defaults(run=_tls)


def _actions(add: Add, name: str, help: str) -> Add:
    return add(name, help=help).add_subparsers(metavar="action", required=True).add_parser


def _accounts(add: Add, settings: Sequence[argparse.ArgumentParser]) -> None:
    add("list", parents=settings, help="show them").set_defaults(run=_list_accounts)
    new = add("add", parents=settings, help="make one, and ask for its password")
    new.add_argument("name")
    new.add_argument("--random", action="store_true", help="make a password and print it")
    new.set_defaults(run=_add_account)
    old = add("remove", parents=settings, help="take one away; its conversations are kept")
    old.add_argument("name")
    old.set_defaults(run=_remove_account)


def _keys(add: Add, settings: Sequence[argparse.ArgumentParser]) -> None:
    add("list", parents=settings, help="show them").set_defaults(run=_list_keys)
    new = add("add", parents=settings, help="make one and print it, this once")
    new.add_argument("name", help="what it is for")
    new.add_argument("--account", default="", metavar="NAME", help="whose conversations it opens")
    new.add_argument("--admin", action="store_true", help="may change the appliance")
    new.set_defaults(run=_add_key)
    old = add("remove", parents=settings, help="revoke one")
    old.add_argument("id", help="from `bramble keys list`")
    old.set_defaults(run=_remove_key)


def _password(options: argparse.Namespace) -> int:
    from bramble.config import load
    from bramble.people import password

    password(
        load(options.config, options.set),
        options.account,
        random=options.random,
        forget=options.forget,
        code=options.code,
    )
    return 0


def _list_accounts(options: argparse.Namespace) -> int:
    from bramble.config import load
    from bramble.people import list_accounts

    list_accounts(load(options.config, options.set))
    return 0


def _add_account(options: argparse.Namespace) -> int:
    from bramble.config import load
    from bramble.people import add_account

    add_account(load(options.config, options.set), options.name, random=options.random)
    return 0


def _remove_account(options: argparse.Namespace) -> int:
    from bramble.config import load
    from bramble.people import remove_account

    remove_account(load(options.config, options.set), options.name)
    return 0


def _list_keys(options: argparse.Namespace) -> int:
    from bramble.config import load
    from bramble.people import list_keys

    list_keys(load(options.config, options.set))
    return 0


def _add_key(options: argparse.Namespace) -> int:
    from bramble.config import load
    from bramble.people import add_key

    config = load(options.config, options.set)
    add_key(config, options.name, account=options.account, admin=options.admin)
    return 0


def _remove_key(options: argparse.Namespace) -> int:
    from bramble.config import load
    from bramble.people import remove_key

    remove_key(load(options.config, options.set), options.id)
    return 0


def _tls(options: argparse.Namespace) -> int:
    from bramble.config import load
    from bramble.tls import command

    command(load(options.config, options.set), again=options.again)
    return 0
