"""The course in the forms of other people's classrooms.

`nbgrader` writes assignments, `gradescope` an autograder, `edition` the whole course without its answers; `command` is the
command line. How marks are told to others stands in `course_utils.grade`.
"""
