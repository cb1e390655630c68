"""Open data by the file: award records as they are kept, and what was released in a day, a month, ever."""
