"""When and how followed tasks are polled: duration estimates, the queue, queries by id, pages of the list."""
