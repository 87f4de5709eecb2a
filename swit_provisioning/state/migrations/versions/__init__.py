"""The steps, oldest first: `r0001_...`, `r0002_...`. One that was released is never changed."""
