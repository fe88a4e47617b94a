"""The doctor: every prerequisite of the integration, checked one by one; the table of checks is in `table`."""
