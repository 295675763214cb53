"""What is asked of lm-eval's task code: load a task, its sampling, its prompts, its way of comparing."""

from __future__ import annotations

import logging
import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from alftbench.base.bounds import YAML_BYTES, read_text
from alftbench.base.validate import Count
from alftbench.base.yaml_files import parse_yaml
from alftbench.errors import MissingExtra, UsageError, first_line
from alftbench.types import Message, SamplingParams

if TYPE_CHECKING:
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.tasks import TaskManager

FEWSHOT_SEED = 1234  # lm-eval's default
MAX_TOKENS = 256  # lm-eval's default where a task sets no limit
BOOTSTRAP_ITERATIONS = 1000  # for the few aggregations without a closed-form standard error


@dataclass(frozen=True)
class TaskSettings:
    """How a task of lm-eval is asked and graded, as far as that is for us to choose."""

    chat: Annotated[bool, "messages for the model's chat template; else one plain prompt, as in lm-eval"] = False
    multiturn: Annotated[bool, "with chat, a message for each few-shot example; else one for all"] = True
    num_fewshot: Annotated[Count | None, "examples in the prompt, where the task does not fix none"] = None
    metric: Annotated[str | None, "which metric says right or wrong; exact_match where there is one"] = None
    include_path: Annotated[str | None, "a folder with more task files"] = None


def load_task(name: str, settings: TaskSettings) -> ConfigurableTask:
    """A task of lm-eval's registry, of the folder `include_path`, or of a YAML file.

    Raises:
        MissingExtra: lm-eval is not installed.
        UsageError: there is no such task, its data cannot be read, or it cannot be a suite of ours.
    """
    try:
        import datasets
        from lm_eval.tasks import TaskManager
    except ImportError as error:
        raise MissingExtra("lm-eval", "lm-eval") from error
    datasets.disable_progress_bars()
    manager = task_manager(TaskManager, name, settings.include_path)
    try:
        with quiet("lm_eval"):
            tasks = manager.load([name])["tasks"]
    except KeyError:
        raise UsageError(f"lm-eval has no task {name!r}; `lm-eval ls tasks` lists them") from None
    except Exception as error:  # a task file is anybody's: whatever it raises is a fault of the task
        raise UsageError(f"lm-eval cannot load the task {name}: {first_line(error)}") from error
    if len(tasks) != 1:
        raise UsageError(f"{name} is a group of lm-eval tasks; choose one of {', '.join(sorted(tasks))}")
    return prepared(next(iter(tasks.values())), name, settings)


def task_manager(kind: type[TaskManager], name: str, include_path: str | None) -> TaskManager:
    """lm-eval's index of task files, of no more folders than needed: the whole takes half a minute to read."""
    import lm_eval.tasks

    if Path(name).suffix in (".yaml", ".yml"):
        if not Path(name).is_file():
            raise UsageError(f"no task file {name}")
        parse_yaml(read_text(Path(name), YAML_BYTES), name, values=False)
        return kind(include_defaults=False)
    if include_path is not None and not Path(include_path).is_dir():
        raise UsageError(f"include_path={include_path}: no such folder")
    if include_path is not None:
        return kind(include_path=include_path, include_defaults=False)
    root = Path(lm_eval.tasks.__file__).parent
    folders = [str(path) for path in sorted(root.iterdir()) if path.is_dir() and name.startswith(path.name)]
    near = kind(include_path=folders, include_defaults=False)
    return near if name in near.all_tasks else kind()


@contextmanager
def quiet(name: str) -> Iterator[None]:
    """Errors only from a logger, while it is used."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def prepared(task: ConfigurableTask, name: str, settings: TaskSettings) -> ConfigurableTask:
    """The task with its few-shot examples settled, if it can be a suite of ours.

    Raises:
        UsageError: it does not generate text, needs pictures, or runs what models write.
    """
    if task.OUTPUT_TYPE != "generate_until":
        raise UsageError(f"lm-eval's task {name} is of type {task.OUTPUT_TYPE}; only generate_until has answers")
    if getattr(task, "UNSAFE_CODE", False):
        raise UsageError(f"lm-eval's task {name} runs what models write as code; that is not done here")
    if getattr(task, "MULTIMODAL", False):
        raise UsageError(f"lm-eval's task {name} needs pictures or sound, which no backend takes")
    own = task.get_config("num_fewshot")
    wanted = settings.num_fewshot
    if own == 0 and wanted:
        raise UsageError(f"lm-eval's task {name} fixes num_fewshot at 0; leave num_fewshot out")
    task.set_config(key="num_fewshot", value=wanted if wanted is not None else own or 0)
    return task


def sampling(task: ConfigurableTask) -> SamplingParams:
    """The task's own way to generate: greedy unless it says otherwise.

    Raises:
        UsageError: a stop string is empty: lm-eval's hf model then ends every answer at its first token.
    """
    from lm_eval.models.utils import normalize_gen_kwargs

    chosen = normalize_gen_kwargs(dict(task.config.generation_kwargs or {}), MAX_TOKENS)
    until = chosen.get("until") or []
    stop = (until,) if isinstance(until, str) else tuple(until)
    if "" in stop:
        raise UsageError(f"lm-eval's task {task.task_name} has an empty stop string; remove it from its until")
    return SamplingParams(
        n=1,
        temperature=float(chosen.get("temperature", 1.0 if chosen["do_sample"] else 0.0)),
        top_p=float(chosen.get("top_p", 1.0)),
        max_tokens=int(chosen["max_gen_toks"]),
        stop=stop,
    )


def chat_context(task: ConfigurableTask, doc: Mapping[str, Any], multiturn: bool) -> tuple[Message, ...]:
    """Few-shot examples and question as messages."""
    seen: list[Sequence[Message]] = []

    def capture(messages: Sequence[Message], add_generation_prompt: bool = True) -> str:
        if not add_generation_prompt:
            raise UsageError(f"lm-eval's task {task.task_name} begins the answer itself; leave chat=true out")
        seen.append(messages)
        return "chat"

    context(task, doc, multiturn, capture)
    return tuple({"role": m["role"], "content": m["content"]} for m in seen[0])


def context(
    task: ConfigurableTask,
    doc: Mapping[str, Any],
    multiturn: bool = False,
    template: Callable[..., str] | None = None,
) -> str:
    """Few-shot examples and question as one text, or as what a chat template makes of their messages."""
    with enough_examples(task):
        asked = task.fewshot_context(
            doc,
            num_fewshot=task.config.num_fewshot,
            apply_chat_template=template is not None,
            fewshot_as_multiturn=multiturn,
            chat_template=template,
            gen_prefix=task.doc_to_prefix(doc),
        )
    requests = task.construct_requests(
        doc=doc,
        ctx=asked,
        metadata=(task.task_name, 0, 1),
        apply_chat_template=template is not None,
        chat_template=template,
    )
    if isinstance(requests, list):
        raise UsageError(f"lm-eval's task {task.task_name} asks several questions a document; it is no suite")
    return str(requests.args[0])


@contextmanager
def enough_examples(task: ConfigurableTask) -> Iterator[None]:
    """What lm-eval's samplers say where a task has too few worked examples, as one line.

    Raises:
        UsageError: it has; they raise ValueError or AssertionError, by the sampler.
    """
    try:
        yield
    except (ValueError, AssertionError) as error:
        at_hand, wanted = len(task.sampler.fewshot_docs()), task.config.num_fewshot
        if wanted < at_hand:
            raise
        raise UsageError(
            f"lm-eval's task {task.task_name} has {at_hand} worked examples, num_fewshot={wanted} are too many "
            f"(one may be the question itself); ask for fewer"
        ) from error


def normalised(text: str, rules: Mapping[str, Any]) -> str:
    """A text as lm-eval's exact_match compares it.

    Args:
        text: a filtered response or a reference.
        rules: the metric's settings: regexes_to_ignore, ignore_case, ignore_punctuation, ignore_numbers.
    """
    for pattern in rules.get("regexes_to_ignore") or ():
        text = re.sub(pattern, "", text)
    if rules.get("ignore_case"):
        text = text.lower()
    dropped = (string.punctuation if rules.get("ignore_punctuation") else "") + (
        string.digits if rules.get("ignore_numbers") else ""
    )
    return text.translate(str.maketrans("", "", dropped))
