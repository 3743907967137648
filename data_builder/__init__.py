"""Who exists and what is read about them: word lists, people, biographies, tokens, schedules, batches."""
