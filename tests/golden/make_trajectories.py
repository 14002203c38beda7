"""Reference implementations of the built-in optimizers, written from the formulas of their papers, and what they do.

    python tests/golden/make_trajectories.py

writes `trajectories.json` beside this file: parameters after each of 20 steps in float64, on a small regression whose
loss is the mean of log cosh(X·w + b − Y). Only NumPy is used; nothing is taken from metaopt, torch or another library.
Where a paper writes its algorithm in other variables than metaopt's rule does (Schedule-Free with x, y and z, Adam with
bias-corrected moments), the paper's form is written here.
"""

import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
STEPS = 20


def problem():
    """Inputs, targets and first parameters: sines of whole numbers, which every machine computes alike."""

    def table(rows, columns, scale, shift):
        return scale * np.sin(shift + 1.7 * np.arange(rows * columns, dtype=np.float64).reshape(rows, columns))

    return {
        "x": table(5, 3, 1.5, 0.3),
        "y": table(5, 2, 2.0, 1.1),
        "w": table(3, 2, 0.7, 2.0),
        "b": table(1, 2, 0.5, 4)[0],
    }


def gradients(data, params):
    """Of the mean of log cosh(X·w + b − Y): its derivative is the mean of tanh."""
    residual = np.tanh(data["x"] @ params["w"] + params["b"] - data["y"]) / data["y"].size
    return {"w": data["x"].T @ residual, "b": residual.sum(0)}


def walked(data, step, state):
    """Parameters after each step of an algorithm `step(params, grads, state, t) -> params`, t = 1, 2, …"""
    params = {"w": data["w"].copy(), "b": data["b"].copy()}
    path = []
    for number in range(1, STEPS + 1):
        params = step(params, gradients(data, params), state, number)
        path.append(params)
    return path


def each(function):
    """An algorithm that treats each number by itself, from its formula for one tensor."""

    def step(params, grads, state, number):
        return {name: function(params[name], grads[name], state.setdefault(name, {}), number) for name in params}

    return step


def sgd(lr, momentum=0.0, nesterov=False, weight_decay=0.0):
    """Polyak (1964); with Nesterov's momentum as Sutskever et al. (2013) write it in terms of gradients at w."""

    def update(w, g, state, t):
        g = g + weight_decay * w
        velocity = state["velocity"] = momentum * state.get("velocity", 0.0) + g
        return w - lr * (g + momentum * velocity if nesterov else velocity)

    return each(update)


def adamw(lr, beta1, beta2, eps, weight_decay):
    """Loshchilov & Hutter (2019), algorithm 2, with the rate on the decay too."""

    def update(w, g, state, t):
        m = state["m"] = beta1 * state.get("m", 0.0) + (1 - beta1) * g
        v = state["v"] = beta2 * state.get("v", 0.0) + (1 - beta2) * g**2
        mean, square = m / (1 - beta1**t), v / (1 - beta2**t)
        return w - lr * (mean / (np.sqrt(square) + eps) + weight_decay * w)

    return each(update)


def ademamix(lr, beta1, beta2, beta3, alpha, warmup, eps, weight_decay):
    """Pagliardini, Ablin & Grangier (2024), algorithm 1, with T = warmup · STEPS for both of its schedules."""

    def update(w, g, state, t):
        share = min(1.0, t / (warmup * STEPS))
        logs = np.log(beta1), np.log(beta3)
        slow = min(np.exp(logs[0] * logs[1] / ((1 - share) * logs[1] + share * logs[0])), beta3)
        m1 = state["m1"] = beta1 * state.get("m1", 0.0) + (1 - beta1) * g
        m2 = state["m2"] = slow * state.get("m2", 0.0) + (1 - slow) * g
        v = state["v"] = beta2 * state.get("v", 0.0) + (1 - beta2) * g**2
        mixed = m1 / (1 - beta1**t) + share * alpha * m2
        return w - lr * (mixed / (np.sqrt(v / (1 - beta2**t)) + eps) + weight_decay * w)

    return each(update)


def adafactor(lr, beta2_decay, eps1, eps2, d, weight_decay):
    """Shazeer & Stern (2018), algorithms 4 and 5, with torch's use of the first epsilon, and of the rate as a limit."""

    def rms(x):
        return np.sqrt(np.mean(x**2))

    def update(w, g, state, t):
        beta = 1 - t**beta2_decay
        if g.ndim > 1:
            rows = state["r"] = beta * state.get("r", 0.0) + (1 - beta) * (g**2).mean(1)
            columns = state["c"] = beta * state.get("c", 0.0) + (1 - beta) * (g**2).mean(0)
            v = np.outer(rows, columns) / max(rows.mean(), eps1)
        else:
            v = state["v"] = beta * state.get("v", 0.0) + (1 - beta) * g**2
        u = g / np.maximum(np.sqrt(v), eps1)
        step = max(eps2, rms(w)) * min(lr, 1 / np.sqrt(t))
        return w - lr * weight_decay * w - step * u / max(1, rms(u) / d)

    return each(update)


def nadamw(lr, beta1, beta2, eps, weight_decay, momentum_decay):
    """Dozat (2016), algorithm 2, with his schedule μ_t = β1 (1 − ½ · 0.96^{tψ}), and decoupled weight decay."""

    def mu(t):
        return beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))

    def update(w, g, state, t):
        product = state["product"] = state.get("product", 1.0) * mu(t)
        m = state["m"] = beta1 * state.get("m", 0.0) + (1 - beta1) * g
        v = state["v"] = beta2 * state.get("v", 0.0) + (1 - beta2) * g**2
        ahead = mu(t + 1) * m / (1 - product * mu(t + 1)) + (1 - mu(t)) * g / (1 - product)
        return w - lr * weight_decay * w - lr * ahead / (np.sqrt(v / (1 - beta2**t)) + eps)

    return each(update)


def metz_nadamw(lr, beta1, beta2, eps, nesterov=True, weight_decay=0.0, l2=0.0):
    """Metz et al. (2020), appendix: ε beside the uncorrected root, and the sign of λ₂ of the published code."""

    def update(w, g, state, t):
        g = g - l2 * w
        m = state["m"] = beta1 * state.get("m", 0.0) + (1 - beta1) * g
        v = state["v"] = beta2 * state.get("v", 0.0) + (1 - beta2) * g**2
        direction = (beta1 * m + (1 - beta1) * g if nesterov else m) / (np.sqrt(v) + eps)
        return w - lr * np.sqrt(1 - beta2**t) / (1 - beta1**t) * (direction + weight_decay * w)

    return each(update)


def lion(lr, beta1, beta2, weight_decay):
    """Chen et al. (2023), algorithm 2."""

    def update(w, g, state, t):
        m = state.get("m", np.zeros_like(w))
        direction = np.sign(beta1 * m + (1 - beta1) * g)
        state["m"] = beta2 * m + (1 - beta2) * g
        return w - lr * (direction + weight_decay * w)

    return each(update)


def rmsprop(lr, alpha, eps, momentum=0.0, centered=False, weight_decay=0.0):
    """Hinton (2012); centred and with momentum as Graves (2013), equations 38 to 41, with ε outside of the root."""

    def update(w, g, state, t):
        g = g + weight_decay * w
        n = state["n"] = alpha * state.get("n", 0.0) + (1 - alpha) * g**2
        mean = state["mean"] = alpha * state.get("mean", 0.0) + (1 - alpha) * g
        spread = np.sqrt(n - mean**2) if centered else np.sqrt(n)
        velocity = state["velocity"] = momentum * state.get("velocity", 0.0) + g / (spread + eps)
        return w - lr * velocity

    return each(update)


def adagrad(lr, eps, initial_accumulator_value=0.0, lr_decay=0.0, weight_decay=0.0):
    """Duchi et al. (2011), the diagonal form."""

    def update(w, g, state, t):
        g = g + weight_decay * w
        total = state["sum"] = state.get("sum", initial_accumulator_value) + g**2
        return w - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(total) + eps)

    return each(update)


def schedulefree_adamw(lr, beta1, beta2, eps, weight_decay):
    """Defazio et al. (2024), algorithm 1, without warm-up: parameters are y; `x` in the state is the average."""

    def update(y, g, state, t):
        x, z = state.get("x", y), state.get("z", y)
        v = state["v"] = beta2 * state.get("v", 0.0) + (1 - beta2) * g**2
        z = state["z"] = z - lr * g / (np.sqrt(v / (1 - beta2**t)) + eps) - lr * weight_decay * y
        weight = lr**2
        total = state["total"] = state.get("total", 0.0) + weight
        c = weight / total
        x = state["x"] = (1 - c) * x + c * z
        return (1 - beta1) * z + beta1 * x

    return each(update)


def prodigy(lr, beta1, beta2, eps, d0, d_coef):
    """Mishchenko & Defazio (2024), algorithm 4, Adam's version; all parameters share d, which ε is multiplied by."""

    def step(params, grads, state, t):
        d = state.get("d", d0)
        start = state.setdefault("start", params)
        moments = state.setdefault("moments", {name: [0.0, 0.0, 0.0] for name in params})
        beta3 = np.sqrt(beta2)
        along = sum(np.sum(grads[name] * (start[name] - params[name])) for name in params)
        state["r"] = beta3 * state.get("r", 0.0) + (1 - beta3) * lr * d**2 * along
        for name, g in grads.items():
            m, v, s = moments[name]
            moments[name] = [
                beta1 * m + (1 - beta1) * d * g,
                beta2 * v + (1 - beta2) * d**2 * g**2,
                beta3 * s + (1 - beta3) * lr * d**2 * g,
            ]
        size = sum(np.abs(s).sum() for _, _, s in moments.values())
        following = state["d"] = max(d, d_coef * state["r"] / size)
        return {name: params[name] - lr * d * m / (np.sqrt(v) + following * eps) for name, (m, v, _) in moments.items()}

    return step


ADAM = {"lr": 0.05, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8}
#: Algorithms, and the hyperparameters that they are run with, under metaopt's names.
CASES = [
    (sgd, {"lr": 0.5}),
    (sgd, {"lr": 0.3, "momentum": 0.9, "weight_decay": 0.01}),
    (sgd, {"lr": 0.3, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    (adamw, {**ADAM, "weight_decay": 0.1}),
    (ademamix, {**ADAM, "beta3": 0.999, "alpha": 5.0, "warmup": 1.0, "weight_decay": 0.1}),
    (ademamix, {**ADAM, "beta3": 0.99, "alpha": 2.0, "warmup": 0.3, "weight_decay": 0.0}),
    (adafactor, {"lr": 0.1, "beta2_decay": -0.8, "eps1": 1e-12, "eps2": 1e-3, "d": 1.0, "weight_decay": 0.01}),
    (adafactor, {"lr": 0.5, "beta2_decay": -0.6, "eps1": 1e-8, "eps2": 0.1, "d": 0.5, "weight_decay": 0.0}),
    (nadamw, {**ADAM, "weight_decay": 0.1, "momentum_decay": 0.004}),
    (nadamw, {**ADAM, "weight_decay": 0.0, "momentum_decay": 10.0}),
    (metz_nadamw, {**ADAM, "weight_decay": 0.1, "l2": 0.01}),
    (metz_nadamw, {**ADAM, "eps": 0.1, "nesterov": False}),
    (lion, {"lr": 0.02, "beta1": 0.9, "beta2": 0.98, "weight_decay": 0.5}),
    (rmsprop, {"lr": 0.02, "alpha": 0.9, "eps": 1e-8}),
    (rmsprop, {"lr": 0.02, "alpha": 0.9, "eps": 1e-8, "momentum": 0.5, "centered": True, "weight_decay": 0.01}),
    (adagrad, {"lr": 0.3, "eps": 1e-10, "initial_accumulator_value": 0.1, "weight_decay": 0.01}),
    (adagrad, {"lr": 0.3, "eps": 1e-10, "lr_decay": 0.1}),
    (schedulefree_adamw, {**ADAM, "weight_decay": 0.01}),
    (prodigy, {"lr": 1.0, "beta1": 0.9, "beta2": 0.99, "eps": 1e-15, "d0": 1e-4, "d_coef": 1.0}),
    (prodigy, {"lr": 1.0, "beta1": 0.8, "beta2": 0.9, "eps": 1e-15, "d0": 1e-3, "d_coef": 2.0}),
]


def trajectories():
    """A list of plain documents: the optimizer, its hyperparameters, and parameters after each step."""
    data, documents = problem(), []
    for algorithm, hparams in CASES:
        state = {}
        path = walked(data, algorithm(**hparams), state)
        document = {"optimizer": algorithm.__name__, "hparams": hparams}
        document |= {name: [params[name].tolist() for params in path] for name in ("w", "b")}
        if algorithm is schedulefree_adamw:
            document["evaluated"] = {name: state[name]["x"].tolist() for name in ("w", "b")}
        documents.append(document)
    return documents


def meta_gradients():
    """One step of gradient descent on a linear regression, and how the query loss depends on where it began.

    With L(w) = mean (X·w − y)², its gradient g and constant Hessian H = 2 Xᵀ X / n, and the query loss's gradient q at
    w' = w − α ∘ g (Finn et al. 2017; with α a number for each coordinate, Li et al. 2017):

        ∂/∂w = q − H (α ∘ q)    and to first order q        ∂/∂α = − g ∘ q
    """

    def rows(count, shift):
        inputs = np.sin(shift + 2.3 * np.arange(count * 3, dtype=np.float64)).reshape(count, 3)
        return np.concatenate([inputs, np.ones((count, 1))], axis=1), np.cos(shift + np.arange(count))

    w, alpha = np.sin(1.0 + np.arange(4.0)), np.array([0.3, -0.1, 0.2, 0.05])
    episodes = []
    for shift in (0.4, 1.9):
        (x, y), (query_x, query_y) = rows(5, shift), rows(7, shift + 0.7)
        g, hessian = 2 * x.T @ (x @ w - y) / len(y), 2 * x.T @ x / len(y)
        document = {"support": [x[:, :3].tolist(), y.tolist()], "query": [query_x[:, :3].tolist(), query_y.tolist()]}
        for name, rate in (("meta_sgd", alpha), ("maml", np.full(4, 0.1))):
            adapted = w - rate * g
            residual = query_x @ adapted - query_y
            q = 2 * query_x.T @ residual / len(query_y)
            document[name] = {
                "objective": float(np.mean(residual**2)),
                "first_order": q.tolist(),
                "start": (q - hessian @ (rate * q)).tolist(),
                "rate": (-g * q).tolist(),
            }
        episodes.append(document)
    return {"w": w.tolist(), "rates": {"meta_sgd": alpha.tolist(), "maml": 0.1}, "episodes": episodes}


def main():
    """Write both files."""
    for name, document in (("trajectories", trajectories()), ("meta_gradients", meta_gradients())):
        (HERE / f"{name}.json").write_text(json.dumps(document, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
