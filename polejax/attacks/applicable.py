"""Which strategies apply to a recipe: what they need of the model, and why others are not tried."""

import jax

from polejax._core.keys import key_of
from polejax._core.record import replace
from polejax.attacks import head_start, rebasing
from polejax.attacks.first_layer import first_layer
from polejax.attacks.products import NoFirstLayer
from polejax.learning.recipe import Recipe


def keyless_fits(recipe: Recipe, first_kernel: str | None = None) -> bool:
    """Whether a model trained without a layer can be carried behind the recipe's: only its first weights may differ."""
    if recipe.sml is None or recipe.sml.patch is not None:
        return recipe.sml is None  # a network for pixels does not fit behind patches
    try:
        layer = first_layer(recipe.model, recipe.mapped_features, first_kernel)
        shapes = [
            jax.eval_shape(lambda one=one: head_start.fresh(one, head_start.identities(key_of(0), 1)))
            for one in (recipe, replace(recipe, sml=None))
        ]
    except Exception:  # of any kind: the user's model meets another number of features
        return False
    alike = bool(jax.tree.structure(shapes[0]) == jax.tree.structure(shapes[1]))  # type: ignore[operator]
    return alike and layer.differs_only_there(*(jax.tree.map(lambda leaf: leaf.shape[1:], one) for one in shapes))


def not_tried(recipe: Recipe, first_kernel: str | None = None) -> dict[str, str]:
    """Why strategies do not apply to a recipe, by their names; those that apply are missing."""
    found: dict[str, str] = {}
    try:
        layer = first_layer(recipe.model, recipe.mapped_features, first_kernel)
    except NoFirstLayer as error:
        changed = f"it changes the first weights, but {error}"
        found = dict.fromkeys(("re-basing thief", "refitting thief", "refitting pre-trainer"), changed)
    else:
        if recipe.sml is not None:
            try:
                layer.groups(recipe.sml.features_mapped_at_once(recipe.task.num_features))
            except NoFirstLayer as error:
                found["re-basing thief"] = f"algebra cannot undo the layer, as {error}"
    if recipe.sml is None:
        found["re-basing thief"] = "there is no layer to re-base from"
    if not rebasing.holds_regression(recipe.model, recipe.task.num_classes):
        found["regression (control)"] = (
            f"it needs one hidden layer of polejax.models.MultilayerPerceptron with {2 * recipe.task.num_classes} "
            "units or more"
        )
    return found
