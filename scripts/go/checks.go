package main

import (
	"fmt"
	"os"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A check has a name; each is run, and the last line counts them. It fails by returning an error or by require.
type check struct {
	name string
	run  func() error
}

type failure struct{ text string }

// require ends a check unless it holds.
func require(holds bool, format string, values ...any) {
	if !holds {
		panic(failure{fmt.Sprintf(format, values...)})
	}
}

// endsWith wants the call to have failed with this code, and gives its status for a closer look.
func endsWith(code codes.Code, err error) *status.Status {
	require(status.Code(err) == code, "expected %v, got: %v", code, err)
	return status.Convert(err)
}

func runAll(checks []check) {
	passed, failed := 0, 0
	for _, check := range checks {
		if err := attempt(check.run); err != nil {
			failed++
			fmt.Printf("FAIL  %s\n      %v\n", check.name, err)
		} else {
			passed++
			fmt.Printf("ok    %s\n", check.name)
		}
	}
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}

func attempt(run func() error) (err error) {
	defer func() {
		switch caught := recover().(type) {
		case nil:
		case failure:
			err = fmt.Errorf("%s", caught.text)
		default:
			panic(caught)
		}
	}()
	return run()
}
