"""The script that Streamlit runs for every look at a page."""

from dashboard.shell import main

main()
