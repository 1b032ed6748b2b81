"""Run all cases, or the ones named: `python -m benchmarks [case ...]`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from benchmarks import forecast, honesty, large, real, reasons, reengagement, reviewing, serving, small
from benchmarks.results import RESULTS, ROOT, DataAbsent, write_section


def _features() -> str:
    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "benchmarks.features", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    both = run("--deals", "100000", "--snapshots", "4", "--rounds", "5")
    alone = run("--deals", "1000000", "--snapshots", "4", "--only-arrays")
    return f"{both}\n\nA large company, in a process of its own:\n\n{alone}"


CASES: dict[str, tuple[str, Callable[[], str]]] = {
    "bpi2012": ("BPI 2012: real histories", real.bpi2012),
    "ibm_win_loss": ("IBM sample: ten entry fields, no dates", real.ibm_win_loss),
    "ibm_fifths": ("IBM sample: rolling fifths", real.ibm_fifths),
    "maven_crm": ("Maven: the negative control", real.maven_crm),
    "salvirt_b2b": ("Salvirt: small data, no order", small.salvirt_b2b),
    "refusals": ("Where there is nothing to learn, or too much", honesty.refusals),
    "truth": ("Against the simulated truth", honesty.truth),
    "few_deals": ("Few deals", honesty.few_deals),
    "reengagement": ("Re-engagement queue on simulated companies", reengagement.reengagement),
    "learning_curves": ("Labels that the review loop saves", reviewing.learning_curves),
    "features": ("Feature matrix against pandas", _features),
    "serving": ("One deal over HTTP", serving.serving),
    "reasons_banking77": ("Reasons: BANKING77, 77 classes", reasons.banking77),
    "reasons_banking14": ("Reasons: BANKING77, 14 classes", reasons.banking14),
    "reasons_airline": ("Reasons: airline complaints", reasons.airline),
    "reasons_noise": ("Reasons: wrong labels", reasons.noise),
    "reasons_speed": ("Reasons: speed", reasons.speed),
    "reasons_http": ("Reasons: one note over HTTP", serving.reasons_http),
    "reasons_probe": ("Reasons: hand-written notes", reasons.probe),
    "train": ("Training on 100,000 simulated deals", large.train),
    "won_within": ("Won within 30 and 60 days, BPI 2012", forecast.bpi2012),
    "forecast": ("Totals of quarters of simulated companies", forecast.totals),
    "forecast_large": ("A forecast of 100,000 open deals", forecast.large),
    "score": ("Scoring 100,000 open deals", large.score),
}


def main(names: list[str]) -> int:
    """Run cases and write their sections; 1 if a case is unknown."""
    unknown = set(names) - set(CASES)
    if unknown:
        print(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}", file=sys.stderr)
        return 1
    for name in names or CASES:
        title, case = CASES[name]
        try:
            body = case()
        except DataAbsent as absent:
            print(f"{name}: skipped, {absent}")
            continue
        write_section(name, title, body)
        print(f"## {title}\n\n{body}\n", flush=True)
    print(f"written to {RESULTS.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
