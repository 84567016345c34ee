"""Movies of Inscopix nVision cameras (.isxb)."""
