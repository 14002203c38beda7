"""The JAX side of `pes_speed.py`: learned_optimization's own PES, for one number of tasks. Run by that script.

    PYTHON pes_jax.py FOLDER TASKS THREADS        # FOLDER: a checkout of google/learned_optimization

PYTHON has jax, dm-haiku, flax, optax, chex, gin-config, absl-py, tqdm and scikit-learn. TensorFlow and its data
sets are imported there for summaries and downloads alone, and replaced by empty stand-ins. The optimizer is
`AdafacMLPLOpt` with two layers of four: as shipped, and with `concat_weights=False`, which that library recommends for
small networks.
"""

import os
import statistics
import sys
import time
from pathlib import Path
from unittest import mock

FOLDER, TASKS, THREADS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
BATCH, TRUNCATION, HORIZON, CALLS = 64, 20, 100, 30
sys.argv = sys.argv[:1]  # learned_optimization reads it
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["NPROC"] = str(THREADS)
if THREADS == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"

import flax.training.checkpoints  # noqa: E402, F401  (before the stand-ins: it asks for TensorFlow's spec)

for name in ("tensorflow", "tensorflow.compat", "tensorflow.compat.v2", "tensorflow_datasets"):
    sys.modules[name] = mock.MagicMock()
sys.path.insert(0, str(Path(FOLDER)))

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from flax.training import prefetch_iterator  # noqa: E402
from learned_optimization.learned_optimizers import adafac_mlp_lopt  # noqa: E402
from learned_optimization.outer_trainers import (  # noqa: E402
    gradient_learner,
    lopt_truncated_step,
    truncated_pes,
    truncation_schedule,
)
from learned_optimization.tasks import base as tasks  # noqa: E402
from learned_optimization.tasks.datasets import base as datasets  # noqa: E402
from learned_optimization.tasks.fixed import image_mlp  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402


def digits():
    """Scikit-learn's digits in memory, shuffled and prefetched as the library does with its downloads."""
    raw = load_digits()
    data = {"image": (raw.data / 16).astype("float32"), "label": raw.target.astype("int32")}

    def batches():
        order = np.arange(len(data["label"]))
        while True:
            np.random.shuffle(order)
            for begin in range(0, len(order) - BATCH, BATCH):
                yield {key: value[order[begin : begin + BATCH]] for key, value in data.items()}

    def iterator():
        return datasets.ThreadSafeIterator(
            datasets.LazyIterator(lambda: prefetch_iterator.PrefetchIterator(batches(), 1000))
        )

    shapes = {
        "image": jax.ShapeDtypeStruct((BATCH, 64), jnp.float32),
        "label": jax.ShapeDtypeStruct((BATCH,), jnp.int32),
    }
    return datasets.Datasets(iterator(), iterator(), iterator(), iterator(), {"num_classes": 10}, shapes)


def measure(title, optimizer, steps_per_jit):
    family = tasks.single_task_to_family(image_mlp._MLPImageTask(digits(), [32]))
    step = lopt_truncated_step.VectorizedLOptTruncatedStep(
        family,
        optimizer,
        truncation_schedule.ConstantTruncationSchedule(HORIZON),
        num_tasks=TASKS,
        random_initial_iteration_offset=HORIZON,
    )
    estimator = truncated_pes.TruncatedPES(step, TRUNCATION, 0.01, steps_per_jit)
    theta = optimizer.init(jax.random.PRNGKey(0))
    weights = gradient_learner.WorkerWeights(theta, None, gradient_learner.OuterState(jnp.asarray(0)))
    state = estimator.init_worker_state(weights, jax.random.PRNGKey(2))
    times = []
    for key in jax.random.split(jax.random.PRNGKey(1), CALLS + 3):
        began = time.perf_counter()
        estimate, _ = estimator.compute_gradient_estimate(weights, key, state, False)
        state = estimate.unroll_state
        jax.block_until_ready((estimate.grad, state))
        times.append(time.perf_counter() - began)
    microseconds = statistics.median(times[3:]) / (TRUNCATION * TASKS) * 1e6
    print(
        f"JAX, {title:24} {TASKS:>3} tasks: {microseconds:6.0f} µs per inner step and pair, "
        f"{times[0]:5.1f} s to the first"
    )


measure("as shipped", adafac_mlp_lopt.AdafacMLPLOpt(hidden_size=4, hidden_layers=2), 10)
measure("concat_weights=False", adafac_mlp_lopt.AdafacMLPLOpt(hidden_size=4, hidden_layers=2, concat_weights=False), 20)
