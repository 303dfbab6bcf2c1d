"""One training process: `python -m tools.tiny.run stem|tiny|tiny-dual --seed N --steps N -o FILE [--stem FILE]`.

One thread, whatever the machine, so that a seed gives the same weights beside other processes.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import torch
from safetensors.torch import load_file

from tools.tiny.fit import fit
from tools.tiny.stem import save, train_stem
from tools.tiny.validate import validate
from tools.tiny.vocabulary import drawn

PRIORITY = 10  # niceness: whoever works on the machine goes first


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["stem", "tiny", "tiny-dual"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--stem", type=Path, help="first stage, for tiny and tiny-dual")
    parser.add_argument("-o", "--output", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    """Train, round to half precision, validate, and write weights and figures (`.json` beside them)."""
    os.nice(PRIORITY)
    torch.set_num_threads(1)
    given, start = _arguments(), time.monotonic()
    if given.what == "stem":
        save(train_stem(drawn(), given.steps, given.seed), given.output)
        return
    net, _ = fit(given.what, load_file(given.stem), given.steps, given.seed)
    seconds = time.monotonic() - start
    weights = {k: v.half() if v.is_floating_point() else v for k, v in net.state_dict().items()}
    net.load_state_dict(weights)
    figures = validate(net)
    save(weights, given.output)
    record = {"model": given.what, "seed": given.seed, "steps": given.steps, "seconds": round(seconds)}
    given.output.with_suffix(".json").write_text(
        json.dumps({**record, "score": figures.score, "families": figures.families}, indent=1), "utf-8"
    )
    print(f"{given.what} seed {given.seed}: validation {figures.score:.4f} after {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
