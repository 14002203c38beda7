"""Speed of meta-training prototypical networks: one batch an episode here, against a loop of two passes.

Both train four blocks of 64 with max pooling on 28×28 images that lie in memory, an episode an update by Adam, with the
same loss. The loop does as the public description of easyfsl's sampler and classifier says: classes and images of each
drawn by `random.sample`, images stacked one by one, features of the support set, then features of the queries, class
means, distances, cross-entropy. Their losses are compared on the same episode first. Rounds take turns; the median of
the rounds' ratios counts, in a core's time. `--steps-only` leaves out the drawing of episodes on both sides.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.contracts import Episodes
from metaopt.meta import Trainer
from metaopt.plugin import current_registry

CLASSES, EACH = 200, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ways", type=int, nargs="*", default=[5, 20, 60])
    parser.add_argument("--shots", type=int, default=1)
    parser.add_argument("--queries", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a side in a round, at least")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps-only", action="store_true")
    parser.add_argument(
        "--precision", choices=("float32", "bfloat16"), default="float32", help="here; the loop's is float32"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (CLASSES * EACH, 1, 28, 28), generator=generator, dtype=torch.uint8)
    labels = torch.arange(CLASSES).repeat_interleave(EACH)
    print(f"{options.threads} threads, torch {torch.__version__}, {options.rounds} rounds, episodes a second of a core")
    print(f"here in {options.precision}, the loop in float32")
    print(f"{'ways':>5}{'shots':>6}{'queries':>8}{'two passes':>12}{'here':>8}{'ratio':>8}")
    for ways in options.ways:
        here, loop = sides(images, labels, ways, options)
        rates: list[tuple[float, float]] = []
        for _ in range(options.rounds):
            rates.append((rate(loop, options.seconds), rate(here, options.seconds)))
        theirs, ours = (statistics.median(column) for column in zip(*rates, strict=True))
        ratio = statistics.median(own / other for other, own in rates)
        print(f"{ways:>5}{options.shots:>6}{options.queries:>8}{theirs:>12.2f}{ours:>8.2f}{ratio:>8.2f}", flush=True)


def sides(
    images: Tensor, labels: Tensor, ways: int, options: argparse.Namespace
) -> tuple[Callable[[], object], Callable[[], object]]:
    """An update of each side; their losses on one episode are the same."""
    source = metaopt.ClassEpisodes.from_arrays(
        images, labels.tolist(), (0.4, 0.3, 0.3), n_way=ways, k_shot=options.shots, queries=options.queries
    )
    task = metaopt.FewShotTask(
        name="speed",
        family="speed",
        model=lambda: metaopt.Conv4(2, width=64, strided=False),
        episodes=source,
        loss=F.cross_entropy,
        episodes_per_iteration=1,
        num_iterations=10**9,
    )
    if options.steps_only:
        task = replace(task, episodes=Same(source.sample("train", 1, torch.Generator().manual_seed(0))))
    hparams = {"protonet.precision": options.precision}
    trainer = Trainer(assemble(Configuration(learner="protonet", hparams=hparams), current_registry()), [task])
    state, generator, optimizer = trainer._begin(None)
    backbone = nn.Sequential(task.build(0).features, nn.Flatten()).train()
    adam = torch.optim.Adam(backbone.parameters(), lr=1e-3, fused=True)
    train = source.partitions["train"]
    held = train.images.float() / 255
    members = {number: list(range(number * EACH, number * EACH + EACH)) for number in range(len(train))}

    def drawn() -> Episodes:
        support, queries = [], []
        for number in random.sample(list(members), ways):
            chosen = random.sample(members[number], options.shots + options.queries)
            support += [held[row] for row in chosen[: options.shots]]
            queries += [held[row] for row in chosen[options.shots :]]
        targets = [torch.arange(ways).repeat_interleave(each) for each in (options.shots, options.queries)]
        parts = (torch.stack(support), targets[0], torch.stack(queries), targets[1])
        return Episodes(*(part.unsqueeze(0) for part in parts))

    def loop() -> Tensor:
        episodes = task.source.sample("train", 1, generator) if options.steps_only else drawn()
        support, targets, queries, wanted = (tensor[0] for tensor in episodes.tensors)
        adam.zero_grad()
        loss = F.cross_entropy(two_passes(backbone, support, targets, queries, ways), wanted)
        loss.backward()
        adam.step()
        return loss.detach()

    if options.precision == "float32":
        check_alike(trainer, backbone, source.sample("train", 1, torch.Generator().manual_seed(1)), ways)
    return lambda: trainer._iterate(state, generator, optimizer), loop


def two_passes(backbone: nn.Module, support: Tensor, targets: Tensor, queries: Tensor, ways: int) -> Tensor:
    """Logits by the squared distance to class means, the support set and the queries in a pass of their own."""
    features = backbone(support)
    means = torch.cat([features[torch.nonzero(targets == number)].mean(0) for number in range(ways)])
    return -torch.cdist(backbone(queries), means).square()


def check_alike(trainer: Trainer, backbone: nn.Module, episodes: Episodes, ways: int) -> None:
    """The same logits in evaluation mode, where batch norm does not tell one pass from two."""
    comparison = trainer._estimators[0].comparison
    ours = comparison.logits(trainer._first_theta, episodes)[0][0]
    support, targets, queries, _ = (tensor[0] for tensor in episodes.tensors)
    with torch.no_grad():
        theirs = two_passes(backbone.eval(), support, targets, queries, ways)
    backbone.train()
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


class Same:
    """One episode, again and again."""

    fingerprint = "same"

    def __init__(self, episodes: Episodes) -> None:
        self.episodes = episodes

    def sample(self, partition: metaopt.Partition, count: int, generator: torch.Generator) -> Episodes:
        return self.episodes


def rate(update: Callable[[], object], seconds: float) -> float:
    """Updates a second of a core's time, over at least so many seconds of it: other jobs on the machine count less."""
    update()
    began, count = time.process_time(), 0
    while time.process_time() - began < seconds or count < 3:
        update()
        count += 1
    return count / (time.process_time() - began)


if __name__ == "__main__":
    main()
