"""The programs and services Understudy talks to, each behind one small typed client."""
