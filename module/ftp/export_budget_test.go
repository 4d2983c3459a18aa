package ftp

// Limits for the tests of budgets.
const (
	MostWork   = stepWork + turnWork // the last turn of a step may begin just below stepWork
	MostTurns  = stepWork / turnWork
	MostMemory = listMemory
	LeastLists = listMemory / listingReserve
)

// WorkOfStep is the work that the engine did in its last step.
func WorkOfStep(e *Engine) int { return e.spent }

// MemoryOfListings is the engine's count of the memory of all listings, in bytes.
func MemoryOfListings(e *Engine) int { return e.listed }
