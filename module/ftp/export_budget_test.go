package ftp

// What the tests of budgets look at.
const (
	MostWork   = stepWork + turnWork // and what one session cannot do in parts
	MostTurns  = stepWork / turnWork
	MostMemory = listMemory
	LeastLists = listMemory / listingReserve
)

// WorkOfStep is the work that the engine did in its last step.
func WorkOfStep(e *Engine) int { return e.spent }

// MemoryOfListings is how many bytes count as those of all listings.
func MemoryOfListings(e *Engine) int { return e.listed }
