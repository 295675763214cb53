"""From verified records to tables, comparisons and pages."""
