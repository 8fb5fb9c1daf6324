"""What scikit-learn asks of an estimator: parameters, tags, copies."""

from typing import Any, ClassVar, Self


class Estimator:
    """Parameters that are kept as given, fitted state that can be copied. Needs no scikit-learn.

    A subclass names its constructor's parameters in `_parameters` and what was fitted in `_fitted_state`;
    everything else (sessions, encoders) is made again when it is needed.
    """

    _parameters: ClassVar[tuple[str, ...]] = ()
    _fitted_state: ClassVar[tuple[str, ...]] = ()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's parameters."""
        del deep
        return {name: getattr(self, name) for name in self._parameters}

    def set_params(self, **params: Any) -> Self:
        """Changes parameters; they count from the next `fit` on."""
        for name, value in params.items():
            if name not in self._parameters:
                raise ValueError(
                    f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(self._parameters)}."
                )
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks an estimator about itself; imports scikit-learn, which is asking."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True, one_d_labels=True),
            classifier_tags=ClassifierTags(multi_label=True),
            input_tags=InputTags(one_d_array=True, two_d_array=False, string=True),
        )

    def __getstate__(self) -> dict[str, Any]:
        """Parameters and what was fitted, for `copy` and for programs that send estimators to other processes."""
        state = self.get_params()
        return state | {name: vars(self)[name] for name in self._fitted_state if name in vars(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items() if value is not None)
        return f"{type(self).__name__}({given})"
