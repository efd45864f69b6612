package cell

// forks start a process: this architecture has only clone.
var forks []uint32
