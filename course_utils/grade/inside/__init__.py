"""What runs in the learner's process. It is copied into the sandbox without the checks, so it may import none of them."""
