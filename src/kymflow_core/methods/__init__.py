"""What a paper needs of a dataset: the paragraph of its methods, and a script that makes its tables again."""
