// A stock grpc-go client at its worst, without ill will, against temaki's echo server: honest_client ADDRESS
// And the other way round: `honest_client serve` is a stock grpc-go server for temaki's client.
//
// The checks are those of scripts/python/honest_client.py. Each keeps a stream open on its connection, the witness: it
// lives only if the server has not cut the connection.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	pb "temaki.example/interop/echopb"
)

var (
	client pb.EchoClient
	ctx, _ = context.WithTimeout(context.Background(), 4*time.Minute)
)

func witnessed(run func() error) func() error {
	return func() error {
		witness, err := client.Bidi(ctx)
		if err != nil {
			return err
		}
		says := func(text string) error {
			if err := witness.Send(&pb.EchoRequest{Text: text}); err != nil {
				return err
			}
			answer, err := witness.Recv()
			require(err != nil || answer.GetText() == text, "the witness heard %v", answer)
			return err
		}
		return errors.Join(says("before"), run(), says("after"), witness.CloseSend())
	}
}

// The handler waits so long before it answers the first, and so reads no other meanwhile.
func allComeBack(count int, lag time.Duration) error {
	call, err := client.Bidi(ctx)
	if err != nil {
		return err
	}
	go func() {
		for n := range count {
			request := &pb.EchoRequest{Text: strconv.Itoa(n)}
			if n == 0 {
				request.DelayMs = uint64(lag.Milliseconds())
			}
			if call.Send(request) != nil {
				return
			}
		}
		call.CloseSend()
	}()
	for n := range count {
		answer, err := call.Recv()
		if err != nil {
			return fmt.Errorf("answer %d: %w", n, err)
		}
		if answer.Number != uint64(n) {
			return fmt.Errorf("answer %d instead of %d", answer.Number, n)
		}
	}
	return nil
}

func together(count int, work func(n int) error) error {
	ends := make([]error, count)
	var all sync.WaitGroup
	for n := range count {
		all.Go(func() { ends[n] = work(n) })
	}
	all.Wait()
	return errors.Join(ends...)
}

func beside() error {
	answer, err := client.Unary(ctx, &pb.EchoRequest{Text: "beside"})
	require(err != nil || answer.Text == "beside", "%v", answer)
	return err
}

var checks = []check{
	{"twenty thousand small messages to a handler that lags", func() error { return allComeBack(20_000, 2*time.Second) }},
	{"eight such streams beside an active one", func() error {
		return together(9, func(n int) error {
			if n < 8 {
				return allComeBack(5_000, 3*time.Second)
			}
			for range 500 {
				if err := beside(); err != nil {
					return err
				}
			}
			return nil
		})
	}},
	{"bursts of calls that are cancelled together", func() error {
		for range 12 {
			called, cancel := context.WithCancel(ctx)
			time.AfterFunc(20*time.Millisecond, cancel)
			err := together(200, func(int) error {
				_, err := client.Unary(called, &pb.EchoRequest{DelayMs: 60_000})
				if status.Code(err) == codes.Canceled {
					return nil
				}
				return fmt.Errorf("not cancelled: %w", err)
			})
			if err := errors.Join(err, beside()); err != nil {
				return err
			}
		}
		return nil
	}},
	{"streams that are read for one message and cancelled", func() error {
		for range 1_000 {
			called, cancel := context.WithCancel(ctx)
			answers, err := client.ServerStream(called, &pb.EchoRequest{Text: "x", Count: 1_000})
			if err == nil {
				_, err = answers.Recv()
			}
			cancel()
			if err != nil {
				return err
			}
		}
		return nil
	}},
	{"uploads that are answered before they end", func() error {
		return together(40, func(int) error {
			for range 50 {
				call, err := client.ClientStream(ctx)
				if err != nil {
					return err
				}
				call.Send(&pb.EchoRequest{FailWith: 7, Text: "no more"})
				for range 20 {
					if call.Send(&pb.EchoRequest{Payload: make([]byte, 1024)}) != nil {
						break
					}
				}
				if _, err := call.CloseAndRecv(); status.Code(err) != codes.PermissionDenied {
					return fmt.Errorf("not refused: %w", err)
				}
			}
			return nil
		})
	}},
	{"calls that expire at both ends", func() error {
		for range 30 {
			err := together(100, func(int) error {
				called, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
				defer cancel()
				_, err := client.Unary(called, &pb.EchoRequest{DelayMs: 20})
				if err != nil && status.Code(err) != codes.DeadlineExceeded {
					return err
				}
				return nil
			})
			if err := errors.Join(err, beside()); err != nil {
				return err
			}
		}
		return nil
	}},
	{"a heartbeat in turns", func() error {
		call, err := client.Bidi(ctx)
		for n := 0; err == nil && n < 3_000; n++ {
			if err = call.Send(&pb.EchoRequest{Text: strconv.Itoa(n)}); err == nil {
				_, err = call.Recv()
			}
		}
		if err != nil {
			return err
		}
		call.CloseSend()
		if _, err := call.Recv(); err != io.EOF {
			return err
		}
		return nil
	}},
	{"fifty thousand small answers to a reader that lags", func() error {
		answers, err := client.ServerStream(ctx, &pb.EchoRequest{Text: "x", Count: 50_000})
		if err != nil {
			return err
		}
		time.Sleep(2 * time.Second)
		for n := range 50_000 {
			answer, err := answers.Recv()
			if err != nil {
				return err
			}
			require(answer.Number == uint64(n), "answer %d instead of %d", answer.Number, n)
		}
		return nil
	}},
	{"bulk in both directions with the pings that measure it", func() error {
		for range 30 {
			answer, err := client.Unary(ctx, &pb.EchoRequest{Payload: make([]byte, 2<<20)})
			if err != nil {
				return err
			}
			require(len(answer.Payload) == 2<<20, "%d bytes", len(answer.Payload))
		}
		return nil
	}},
}

// The server of proto/echo.proto, as far as temaki's honest client calls it.
type echo struct{ pb.UnimplementedEchoServer }

func reply(request *pb.EchoRequest, number uint64) (*pb.EchoResponse, error) {
	time.Sleep(time.Duration(request.DelayMs) * time.Millisecond)
	if request.FailWith != 0 {
		return nil, status.Error(codes.Code(request.FailWith), request.Text)
	}
	return &pb.EchoResponse{Text: request.Text, Payload: request.Payload, Number: number}, nil
}

func (echo) Unary(_ context.Context, request *pb.EchoRequest) (*pb.EchoResponse, error) {
	return reply(request, 0)
}

func (echo) ServerStream(request *pb.EchoRequest, answers grpc.ServerStreamingServer[pb.EchoResponse]) error {
	for n := range uint64(request.Count) {
		answer, err := reply(request, n)
		if err == nil {
			err = answers.Send(answer)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (echo) ClientStream(requests grpc.ClientStreamingServer[pb.EchoRequest, pb.EchoResponse]) error {
	for n := uint64(0); ; n++ {
		request, err := requests.Recv()
		if err == io.EOF {
			return requests.SendAndClose(&pb.EchoResponse{Number: n})
		}
		if err == nil {
			_, err = reply(request, n)
		}
		if err != nil {
			return err
		}
	}
}

func (echo) Bidi(call grpc.BidiStreamingServer[pb.EchoRequest, pb.EchoResponse]) error {
	for n := uint64(0); ; n++ {
		request, err := call.Recv()
		if err == io.EOF {
			return nil
		}
		var answer *pb.EchoResponse
		if err == nil {
			answer, err = reply(request, n)
		}
		if err == nil {
			err = call.Send(answer)
		}
		if err != nil {
			return err
		}
	}
}

func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println("listening on", listener.Addr())
	server := grpc.NewServer()
	pb.RegisterEchoServer(server, echo{})
	// It ends with the process that started it.
	parent := os.Getppid()
	go func() {
		for os.Getppid() == parent {
			time.Sleep(200 * time.Millisecond)
		}
		os.Exit(0)
	}()
	panic(server.Serve(listener))
}

func main() {
	if os.Args[1] == "serve" {
		serve()
	}
	connection, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		panic(err)
	}
	client = pb.NewEchoClient(connection)
	for n := range checks {
		checks[n].run = witnessed(checks[n].run)
	}
	runAll(checks)
}
