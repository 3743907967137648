# PYTHON_ARGCOMPLETE_OK
"""Look at runs in the browser: how a model comes to know somebody, checkpoint by checkpoint.

python -m explorer runs/mine
python -m explorer export runs/mine --output_dir page     # the same without a server, for some individuals
"""

import argparse
import os
import socket

# Nothing is told to anybody, and nothing is fetched.
os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "DO_NOT_TRACK": "1"}

from command_line import UserError, complete, run

LOCAL = "127.0.0.1"


def main(argv: list[str]) -> None:
    """Open runs, and serve their page until Ctrl-C."""
    if argv[:1] == ["export"]:
        from explorer.export import main as export

        return export(argv[1:])
    parser = argparse.ArgumentParser(prog="python -m explorer", description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", help="run directories, or Hub repositories with a revision per checkpoint")
    parser.add_argument("--host", default=LOCAL, help="who may connect: this machine alone, or 0.0.0.0 for all")
    parser.add_argument("--port", type=int, default=7860, help="of the server")
    arguments = complete(parser).parse_args(argv)
    check_port(arguments.host, arguments.port)
    from explorer.source import Explored

    explored = [Explored(name) for name in arguments.runs]
    for one in explored:
        for notice in one.notices:
            print(f"note: {one.title}: {notice}")
    page = serve(explored, arguments.host, arguments.port)
    warm(explored[0])
    page.block_thread()


def warm(explored) -> None:
    """Say once, to nobody, what the page shows first: so nobody waits for what that imports, loads and computes."""
    from explorer import panels

    for view in panels.VIEWS[:3]:
        panels.panel(view, explored, explored.steps[-1], 0, 0.5, "", [explored])
    panels.curves(explored, explored.steps[-1])


def check_port(host: str, port: int) -> None:
    """Raise UserError if nothing can listen there."""
    if not 1 <= port <= 65535:
        raise UserError(f"port is {port}; it must be from 1 to 65535")
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(f"cannot listen on {host}, port {port} ({reason}); choose another --port or --host") from None


def serve(explored: list, host: str, port: int):
    """Start the page's server and go on; `close()` ends it."""
    try:
        from explorer.page import STYLE, THEME, build
    except ModuleNotFoundError as error:
        raise UserError(f"the explorer needs {error.name}: pip install 'fact-learning[explorer]'") from None
    page = build(explored)
    page.launch(server_name=host, server_port=port, prevent_thread_lock=True, quiet=True, share=False, theme=THEME,
                css=STYLE, footer_links=[])  # fmt: skip
    print(f"look at it: http://{host}:{port}   (Ctrl-C ends it)", flush=True)
    return page


if __name__ == "__main__":
    run(main)
