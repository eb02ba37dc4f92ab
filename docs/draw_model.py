"""Draws docs/figures/model.svg, the model in one picture: `python docs/draw_model.py`.

Four nodes play two heights by the three lines of a round, with numbers chosen so that the first height forks.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

PLACE = np.array([0.0, 2.0, 6.5, 9.0])  # of the nodes on a line, in seconds
DELAY = np.abs(PLACE[:, None] - PLACE)
WORK = np.array([[30.0, 45.0, 50.0, 33.0], [40.0, 25.0, 44.0, 38.0]])  # seconds until a claim, by height
COLOURS = {(1, 0): "#0072B2", (1, 3): "#D55E00", (2, 1): "#009E73"}
GREY = "0.75"


def play():
    """Finishing times, arrivals and parents of each height."""
    start = np.zeros(4)
    for work in WORK:
        finish = start + work
        heard = finish[:, None] + DELAY
        arrival, parent = heard.min(axis=0), heard.argmin(axis=0)
        yield start, finish, arrival, parent
        start = arrival


def draw_races(axes):
    """Who works on what until when, and how blocks travel."""
    colour = dict.fromkeys(range(4), GREY)
    for height, (start, _finish, arrival, parent) in enumerate(play(), 1):
        for node in range(4):
            axes.barh(node, arrival[node] - start[node], left=start[node], height=0.34, color=colour[node])
            if parent[node] == node:
                axes.plot(arrival[node], node, "*", ms=13, color=COLOURS[height, node], mec="black", mew=0.5, zorder=4)
            else:
                begin = (arrival[parent[node]], parent[node])
                arrow = {"arrowstyle": "-|>", "color": COLOURS[height, int(parent[node])], "lw": 1.1}
                axes.annotate("", (arrival[node], node), begin, arrowprops=arrow)
        colour = {node: COLOURS[height, int(parent[node])] for node in range(4)}
    for node in range(4):
        axes.barh(node, 82 - arrival[node], left=arrival[node], height=0.34, color=colour[node])
    axes.text(2, -0.42, "works on height 1", fontsize=7)
    axes.text(40, -0.42, "works on height 2, on the blue block", fontsize=7)
    axes.text(40, 3.36, "on the orange block: a fork", fontsize=7)
    axes.text(65.5, 3.36, "the orange block is stale", fontsize=7)
    axes.set_yticks(range(4), [f"node {node}" for node in range(4)])
    axes.set(xlim=(0, 82), ylim=(3.62, -0.7), xlabel="time [s]")
    axes.set_title("A round: publish = start + work / power; a star is a block published, an arrow its first arrival")


def draw_chain(axes):
    """The blocks and what is built on them."""
    blocks = {"genesis": (0, 0.5), (1, 0): (1, 1), (1, 3): (1, 0), (2, 1): (2, 1)}
    for child, parent in (((1, 0), "genesis"), ((1, 3), "genesis"), ((2, 1), (1, 0))):
        (x, y), (px, py) = blocks[child], blocks[parent]
        axes.annotate("", (px + 0.21, py), (x - 0.21, y), arrowprops={"arrowstyle": "-|>", "color": "black"})
    for block, (x, y) in blocks.items():
        face = COLOURS.get(block, GREY)
        axes.add_patch(plt.Rectangle((x - 0.2, y - 0.2), 0.4, 0.4, fc=face, ec="black", lw=0.6))
        text = block if isinstance(block, str) else f"height {block[0]}\nnode {block[1]}"
        axes.text(x, y, text, ha="center", va="center", fontsize=7, color="black" if block == "genesis" else "white")
    axes.text(2.3, 1, "canonical: the longest chain,\nread back along parents", va="center", fontsize=7)
    axes.text(1.3, 0, "stale: published, and no longest chain holds it", va="center", fontsize=7)
    axes.set(xlim=(-0.4, 3.6), ylim=(-0.45, 1.45))
    axes.axis("off")
    axes.set_title("The chain: a block's name is (height, node), so there is at most one of each")


def main():
    """Draw and save."""
    plt.rcParams.update({"font.size": 8, "axes.titlesize": 8, "svg.hashsalt": "model", "svg.fonttype": "none"})
    figure, (races, chain) = plt.subplots(2, 1, figsize=(7, 4.6), height_ratios=[3, 1.6], layout="constrained")
    for axes, draw in ((races, draw_races), (chain, draw_chain)):
        draw(axes)
        axes.title.set_ha("left")
        axes.title.set_position((0, 1))
    for side in ("top", "right", "left"):
        races.spines[side].set_visible(False)
    figure.savefig(Path(__file__).parent / "figures" / "model.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
