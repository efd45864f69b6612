// Package sdks holds what we speak to the official Go clients of OpenAI,
// Anthropic and Google: what our dialects send must be requests in their types,
// and what our scripted server answers must be answers to them. It is a module
// of its own, so that nothing of them is in the product's.
package sdks
