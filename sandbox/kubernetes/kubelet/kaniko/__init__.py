"""A stand-in for the executor of Kaniko: its command line, its words, its exit codes.

It runs the Dockerfile's RUN lines by sh in a copy of the context, and "pushes" the result to the
registry stand-in. FROM, COPY and ADD bring nothing but what the context has; see the builder of
worker_image for what counts and what does not.
"""
