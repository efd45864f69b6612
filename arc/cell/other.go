//go:build !linux

package cell

import (
	"context"
	"errors"
)

// Run refuses: only Linux has what a cell is made of.
func Run(context.Context, Request) ([]byte, error) {
	return nil, &Refused{errors.New("this system is not Linux")}
}

// Enter refuses, as Run does.
func Enter() int { return 1 }
