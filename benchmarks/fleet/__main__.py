"""How a fleet scales: claims and workers measured, then whole fleets simulated by that, and the page of all.

python -m benchmarks.fleet            # all parts, into benchmarks/FLEET.md
python -m benchmarks.fleet simulated  # one part; the page takes the others from --work, where they were kept
"""

from benchmarks import parts
from benchmarks.fleet import claims, report, scenarios, workers


def main() -> None:
    """Measures and simulates what the command line says, and writes the page."""
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
