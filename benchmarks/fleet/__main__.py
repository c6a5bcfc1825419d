"""How a fleet scales: measures claims and workers, simulates fleets with these figures, and writes the page.

python -m benchmarks.fleet            # all parts, into benchmarks/FLEET.md
python -m benchmarks.fleet simulated  # one part; the page takes the others from --work, where they were stored
"""

from benchmarks import parts
from benchmarks.fleet import claims, report, scenarios, workers


def main() -> None:
    """Runs the parts given on the command line, and writes the page."""
    parts.run(
        "fleet",
        "How a fleet scales.",
        {
            "claims": lambda _: claims.measure(),
            "workers": lambda _: workers.measure(),
            "simulated": lambda kept: scenarios.simulate(kept["claims"]),
        },
        lambda kept: report.page(kept["claims"], kept["workers"], kept["simulated"]),
    )


if __name__ == "__main__":
    main()
