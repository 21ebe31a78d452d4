"""How safely releases find their movies: pairs that are easily taken for each other, all of them wanted at once.

    .venv/bin/python -P benchmarks/matching.py [--pairs N] [--seed N]

Each movie of each pair gets one release. Wrong: another movie takes it. Missed: its own does not, though the name tells
it. Refused: the name fits both movies, and neither takes it.
"""

import argparse
import time

from tests.movies.confusable import measure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    begin = time.perf_counter()
    figures = measure(arguments.pairs, seed=arguments.seed)
    seconds = time.perf_counter() - begin
    print(f"pairs of movies    {figures.pairs:>7}")
    print(f"releases           {2 * figures.pairs:>7}  in {seconds:.1f} s, with the making of the pairs")
    print(f"right              {figures.right:>7}")
    print(f"wrong              {figures.wrong:>7}")
    print(f"missed             {figures.missed:>7}  {figures.missed_ratio:.2%} of those whose name tells the movie")
    print(f"refused            {figures.refused:>7}")
    for kind, number in figures.by_kind.most_common():
        print(f"  wrong or missed: {kind:<18}{number:>5}")
    for example in figures.examples[:10]:
        print(f"  {example}")


if __name__ == "__main__":
    main()
