import fc from 'fast-check'

// That a property fails kills the mutant; looking for its smallest counterexample would take a hundred times as long.
fc.configureGlobal({ endOnFailure: true })
