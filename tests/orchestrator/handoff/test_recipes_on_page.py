"""What docs/handoff.md says, carried out as it stands."""

import re
import shlex

import numpy as np
import soundfile

from tests.orchestrator.handoff.recipes_on_page import recipes_on_page

RUN = "vmf_vs_mdn-20260102-030405"


def test_the_recipes_work_as_they_stand(run, run_here, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / RUN).symlink_to(run)
    (tmp_path / "runs" / "lanes").symlink_to(run.parent / "lanes")
    (tmp_path / "latents").symlink_to(run.parent / "latents")
    audio, rate = soundfile.read(run.parent / "audio" / "test0" / "test0.wav", dtype="float32")
    soundfile.write(tmp_path / "audio.flac", audio, rate)
    made: dict[str, object] = {}
    kinds = []
    for kind, text in recipes_on_page("hand on"):
        kinds.append(kind)
        if kind == "python":
            exec(compile(text, "docs/handoff.md", "exec"), made)
            continue
        for line in text.splitlines():
            module, *arguments = re.fullmatch(r"python -m orchestrator\.(\w+) (.+)", line).groups()
            done = run_here(f"{module}.__main__", *shlex.split(arguments[0]), cwd=tmp_path)
            assert done.returncode == 0, done.stderr
    assert kinds == ["sh", "python", "sh"]
    assert made["latents"].shape == (50, 80) and np.isfinite(made["audio"]).all()
    written = {path.name for path in tmp_path.iterdir()}
    sounds = {"out.wav", "seeds-vmf-1.wav", "seeds-vmf-2.wav", "arms-mdn-0.wav", "arms-vmf.wav"}
    assert sounds | {"out.html", "seeds.html", "arms.html", "continued.npy"} <= written
