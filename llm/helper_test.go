package llm

import "github.com/ariacomputecompany/firmware/internal/fault"

func code(err error) string { return string(fault.CodeOf(err)) }
