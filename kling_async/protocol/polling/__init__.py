"""When and how followed tasks are asked for: estimates, the queue, pages of the list."""
