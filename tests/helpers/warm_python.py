"""A Python that has loaded the project's rooms, and forks to run what the other end of a socket asks for.

    python warm_python.py ADDRESS PROGRAM      in the folder of a clone; PROGRAM is what its children take for Python

Figures, more than half of a short run's time, are laid out but not drawn.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import tempfile
import threading
import traceback
from pathlib import Path

ROOMS = ("settings", "run_directory", "data_builder", "modeling", "analysis", "training", "evaluation", "hub_cards",
         "sweeps")  # fmt: skip
# What the rooms load when they need it.
OTHERS = ("run_pretrain", "run_finetune", "run_patching", "accelerate.commands.launch", "datasets", "evaluate",
          "matplotlib.pyplot", "peft", "transformers.models.gpt2.modeling_gpt2")  # fmt: skip


def load():
    for room in ROOMS:
        for module in pkgutil.iter_modules(importlib.import_module(room).__path__, f"{room}."):
            if not module.ispkg and not module.name.endswith("__"):
                importlib.import_module(module.name)
    for name in OTHERS:
        importlib.import_module(name)
    transformers, figure = sys.modules["transformers"], sys.modules["matplotlib.figure"]
    least = dict.fromkeys(("vocab_size", "n_positions", "n_embd", "n_layer", "n_head"), 1)
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**least, bos_token_id=0, eos_token_id=0))
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)  # transformers then prepares for all its models
    figure.Figure.savefig = _save_a_dot


def _save_a_dot(figure, to, **_):
    from PIL import Image

    Path(to).touch() if isinstance(to, str | Path) else Image.new("RGB", (1, 1)).save(to, "png")


def asked(connection):
    """What is asked for, once this process has taken its streams, folder and environment."""
    message, streams, *_ = socket.recv_fds(connection, 1 << 20, 3)
    while not message.endswith(b"\n"):
        message += connection.recv(1 << 20)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, encoding="utf-8") for number in (1, 2))
    wish = json.loads(message)
    os.chdir(wish["folder"])
    os.environ.clear()
    os.environ.update(wish["environment"])
    return wish["words"]


def wait_for_command(listener):
    """Returns in a new process for each command; another one waits for its end and tells its exit status."""
    parent = os.getppid()
    while True:
        ready, *_ = select.select([listener], [], [], 1)
        if os.getppid() != parent:
            sys.exit("the tests are gone")
        if not ready:
            continue
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            words = asked(connection)
            program = os.fork()
            if program == 0:
                connection.close()
                return words
            code = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
            connection.sendall(str(code % 256).encode())
            os._exit(0)
        connection.close()


def run(words):
    """As `python words...`: a script, `-m module` or `-c code`."""
    here, (first, *rest) = os.getcwd(), words
    if first == "-m":
        sys.argv, sys.path[0] = rest, here
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv, sys.path[0] = ["-c", *rest[1:]], here
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv, sys.path[0] = words, os.path.dirname(os.path.abspath(first))
        runpy.run_path(first, run_name="__main__")


def exit_code(words):
    """Of `python words...`, at the end of which threads are waited for and the last things done, as ever."""
    try:
        run(words)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    return code


if __name__ == "__main__":
    address, sys.executable = sys.argv[1:]
    sys.path[0] = os.getcwd()
    load()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how a waiting process ended
    print("warm", flush=True)
    gc.freeze()  # else the first collection of each child would copy all memory
    words = wait_for_command(listener)
    listener.close()
    code = exit_code(words)
    sys.stdout.flush()
    os._exit(code)  # taking all modules apart takes longer than most commands
