"""OsteoLens: osteoporosis from lumbar radiographs."""
