"""The loudspeaker: prompts from memory through PortAudio in a process of its own, one after another.

Owns one thread (`loudspeaker`) and the player's process, from `start` to `stop`. CONTROL calls and never waits: `play`
only leaves a note, and what became of it is told from the thread. A prompt that waits already is said once, so at most
one of each waits. Whatever the sound driver does, each prompt ends within its own
length and a few seconds, then the process is ended and the next prompt gets a new one. Touches no disk.

How exact `from_ns` is: the moment PortAudio took the first sample and the delay it names for its buffers. Heard by the
simulated microphone it was right to 100 ms; a real loudspeaker has not been measured yet.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import threading
from collections.abc import Mapping
from itertools import accumulate

from drivers.children import Children
from drivers.loudspeaker_faults import ended_fault, loudspeaker_fault, stuck_fault
from drivers.prompt_sounds import load_prompts
from edge.ports import Clock, HardwareFault
from edge.prompts import Prompt, PromptFailed, PromptPlayed, PromptSound, PromptsReady, TellPrompt
from edge.settings_panel import Prompts

ANSWER_SECONDS = 10.0
"""What a prompt may take beyond its own length: a slow start of the process, PortAudio's look at all devices."""
LONGEST_ANSWER_BYTES = 4096


class PortAudioLoudspeaker:
    """Implements `edge.prompts.Announcer`. `environment` is added to the player's, which is else this process's."""

    def __init__(
        self, settings: Prompts, *, clock: Clock, tell: TellPrompt, environment: Mapping[str, str] | None = None
    ) -> None:
        """Keep the settings; nothing is loaded or started before `start`."""
        self._settings = settings
        self._clock = clock
        self._tell = tell
        self._environment = dict(environment or {})
        self._children = Children()
        self._noted = threading.Condition()
        self._waiting: dict[Prompt, None] = {}  # in the order of asking
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="loudspeaker", daemon=True)

    def start(self) -> None:
        """Begin to load the prompts; told by PromptsReady. A loudspeaker is started once."""
        self._thread.start()

    def play(self, prompt: Prompt) -> None:
        """Leave a note; answered by one PromptPlayed or PromptFailed. After `stop` nothing is noted any more."""
        with self._noted:
            if not self._ending:
                self._waiting[prompt] = None
                self._noted.notify()

    def stop(self, limit_seconds: float) -> None:
        """Cut short what is being said, tell of what was not, end. Raises HardwareFault when the limit passes first."""
        with self._noted:
            self._ending = True
            self._noted.notify()
        self._children.end()
        if self._thread.ident is not None:
            self._thread.join(limit_seconds)
            if self._thread.is_alive():
                raise stuck_fault(f"the loudspeaker did not end within {limit_seconds:g} s")

    def _run(self) -> None:
        sounds, why = load_prompts(self._settings, self._children.run)
        self._tell(PromptsReady(voices=tuple((one, sound.voice) for one, sound in sounds.items()), why=why))
        player = _Player(self._settings, self._environment, self._children, sounds)
        player.prepare()
        try:
            while (prompt := self._next()) is not None:
                self._say(player, sounds[prompt])
            for prompt in self._waiting:
                self._failed(prompt, ended_fault())
        finally:
            player.close()

    def _next(self) -> Prompt | None:
        """The prompt that waited longest, or None at the end."""
        with self._noted:
            self._noted.wait_for(lambda: self._ending or bool(self._waiting))
            if self._ending:
                return None
            prompt = next(iter(self._waiting))
            del self._waiting[prompt]
            return prompt

    def _say(self, player: _Player, sound: PromptSound) -> None:
        try:
            from_ns, to_ns = player.play(sound)
        except HardwareFault as fault:
            self._failed(sound.prompt, ended_fault() if self._ending else fault)
        else:
            self._tell(PromptPlayed(prompt=sound.prompt, voice=sound.voice, from_ns=from_ns, to_ns=to_ns))

    def _failed(self, prompt: Prompt, fault: HardwareFault) -> None:
        self._tell(PromptFailed(prompt=prompt, fault=fault, boottime_ns=self._clock.boottime_ns()))


class _Player:
    """The player's process; one that fails or falls silent is ended, and the next prompt starts another."""

    def __init__(
        self,
        settings: Prompts,
        environment: Mapping[str, str],
        children: Children,
        sounds: Mapping[Prompt, PromptSound],
    ) -> None:
        self._settings = settings
        self._environment = dict(os.environ) | dict(environment)
        self._children = children
        self._process: subprocess.Popen[bytes] | None = None
        self._sounds = sounds
        self._places = dict(zip(sounds, accumulate((len(one.pcm) for one in sounds.values()), initial=0), strict=False))

    def play(self, sound: PromptSound) -> tuple[int, int]:
        """When it was heard (from, to, BOOTTIME). Raises HardwareFault within its length and ANSWER_SECONDS."""
        try:
            said = self._ask(sound)
        except (OSError, ValueError) as failure:
            self.close()
            words = f"{type(failure).__name__}: {failure}"
            raise (
                stuck_fault(words)
                if isinstance(failure, TimeoutError)
                else loudspeaker_fault(f"the player's process failed ({words})", self._settings.device)
            ) from failure
        match said:
            case {"from_ns": int(from_ns), "to_ns": int(to_ns)}:
                return from_ns, to_ns
            case {"failed": str(words)}:
                raise loudspeaker_fault(words, self._settings.device)
            case _:
                raise loudspeaker_fault(str(said), self._settings.device)

    def prepare(self) -> None:
        """Start the process, so that the first prompt does not wait for it; a failure is told with that prompt."""
        with contextlib.suppress(OSError):
            self._running()

    def close(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            self._children.finish(process)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            memory = _shared(self._sounds)
            try:
                self._process = self._children.spawn(self._command(memory), self._environment, [memory])
            finally:
                os.close(memory)  # the process has its own
        return self._process

    def _command(self, memory: int) -> list[str]:
        options = {
            "--memory": memory,
            "--device": self._settings.device,
            "--rate": self._settings.rate_hz,
            "--channels": self._settings.channels,
        }
        given = (f"{option}={value}" for option, value in options.items())
        return [sys.executable, "-m", "drivers.loudspeaker_process", *given]

    def _ask(self, sound: PromptSound) -> object:
        process = self._running()
        if process.stdin is None or process.stdout is None:
            raise OSError("the player has no pipes")
        asked = {"at": self._places[sound.prompt], "bytes": len(sound.pcm)}
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if not selector.select(sound.samples / sound.rate_hz + ANSWER_SECONDS):
                raise TimeoutError("the player did not answer")
        line = os.read(process.stdout.fileno(), LONGEST_ANSWER_BYTES)  # one short line, written at once
        if not line:
            raise OSError("the player ended")
        return json.loads(line)


def _shared(sounds: Mapping[Prompt, PromptSound]) -> int:
    """All prompts one behind the other in a memory file. A pipe would hold us where the process does not read."""
    memory = os.memfd_create("liuhen-prompts")
    with open(memory, "wb", closefd=False) as file:
        file.write(b"".join(sound.pcm for sound in sounds.values()))
    return memory
