"""Grading: verdicts on notebooks that nobody can forge, because the learner's process only says what its functions return.

Two processes and a line between them:

- **inside**, in a sandbox, the learner's cells are run (`inside.learner`). Nothing in there knows what is expected: no
  checks, no solutions, no results, not even the next question.
- **outside**, the grader plays the check, the mock, its clock and its ledger. `remote` drives the learner's functions over
  a `channel` of JSON lines that carries plain data only (`inside.wire`), so there is nothing in a verdict that the
  learner's process could write. What it sends on the line counts as what its function returned, and no more.

`notebook` reads a notebook, `sandbox` starts the processes, `marking` puts a verdict on each exercise. `handed_in` finds out
who handed in what, `batch` which of it counts; `workers` do the work, here or in a `cluster`, for a `shard` of the class or
all of it; `results` keeps what they found, by the `version` of an exercise. `report` and `page` say it, `command` is the command
line.
"""
