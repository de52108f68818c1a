// A stock grpc-go client against the user service: user_client ADDRESS
//
// The checks are those of scripts/python/user_client.py, in the same order.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "temaki.example/interop/userpb"
)

var (
	address    string
	connection *grpc.ClientConn
	client     pb.UserServiceClient
	// Ends a check that hangs; no check comes near it.
	ctx, _ = context.WithTimeout(context.Background(), 4*time.Minute)
)

func alice() *pb.GetUserRequest { return user("alice", "wonderland") }

func user(name, password string) *pb.GetUserRequest {
	return &pb.GetUserRequest{Username: name, PasswordHash: password}
}

func many(n int) string { return fmt.Sprintf("many-%03d", n) }

func getUUID(request *pb.GetUserRequest) (string, error) {
	answer, err := client.GetUserUUID(ctx, request)
	return answer.GetUuid(), err
}

func register(name, password string) (string, error) {
	answer, err := client.RegisterUser(ctx, &pb.RegisterUserRequest{Username: name, PasswordHash: password})
	return answer.GetUuid(), err
}

func importUsers(rows ...[2]string) (*pb.ImportSummary, error) {
	call, err := client.ImportUsers(ctx)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if err := call.Send(&pb.ImportUser{Username: row[0], PasswordHash: row[1]}); err != nil {
			break // CloseAndRecv says why
		}
	}
	return call.CloseAndRecv()
}

// rest takes all answers that are left.
func rest[T any](call grpc.ServerStreamingClient[T]) (answers []*T, err error) {
	for {
		answer, err := call.Recv()
		if err == io.EOF {
			return answers, nil
		}
		if err != nil {
			return answers, err
		}
		answers = append(answers, answer)
	}
}

func list(request *pb.ListUsersRequest) (names []string, err error) {
	call, err := client.ListUsers(ctx, request)
	if err != nil {
		return nil, err
	}
	users, err := rest(call)
	for _, user := range users {
		names = append(names, user.Username)
	}
	return names, err
}

// heldCall opens ResolveUsers, asks for alice, and leaves it open.
func heldCall(ctx context.Context) (call grpc.BidiStreamingClient[pb.ResolveUserRequest, pb.ResolveUserResponse], err error) {
	if call, err = client.ResolveUsers(ctx); err != nil {
		return nil, err
	}
	if err = call.Send(&pb.ResolveUserRequest{Username: "alice"}); err != nil {
		return nil, err
	}
	answer, err := call.Recv()
	if err != nil {
		return nil, err
	}
	require(answer.Username == "alice" && answer.Uuid != "", "not alice: %v", answer)
	return call, nil
}

var checks = []check{
	{"right password", func() error {
		first, err := getUUID(alice())
		if err != nil {
			return err
		}
		second, err := getUUID(alice())
		require(first == second, "%s, then %s", first, second)
		require(regexp.MustCompile("^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$").MatchString(first), "not a UUID of version 7: %s", first)
		return err
	}},

	{"right password, dialled in the old way", func() error {
		short, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		old, err := grpc.DialContext(short, address, grpc.WithInsecure(), grpc.WithBlock())
		if err != nil {
			return err
		}
		defer old.Close()
		_, err = pb.NewUserServiceClient(old).GetUserUUID(ctx, alice())
		return err
	}},

	{"wrong password and unknown user look the same", func() error {
		_, wrong := getUUID(user("alice", "wonderland!"))
		_, unknown := getUUID(user("nobody", "wonderland"))
		one, other := endsWith(codes.Unauthenticated, wrong), endsWith(codes.Unauthenticated, unknown)
		require(one.Message() != "" && one.Message() == other.Message(), "%q, %q", one.Message(), other.Message())
		return nil
	}},

	{"empty name and empty request", func() error {
		_, name := getUUID(user("", "wonderland"))
		endsWith(codes.InvalidArgument, name)
		_, request := getUUID(&pb.GetUserRequest{})
		endsWith(codes.InvalidArgument, request)
		return nil
	}},

	{"register twice", func() error {
		made, err := register("bob", "builder")
		if err != nil {
			return err
		}
		_, again := register("bob", "thief")
		endsWith(codes.AlreadyExists, again)
		found, err := getUUID(user("bob", "builder"))
		require(found == made, "made %s, found %s", made, found)
		_, thief := getUUID(user("bob", "thief"))
		endsWith(codes.Unauthenticated, thief)
		return err
	}},

	{"register what cannot be", func() error {
		for _, row := range [][3]string{{"carol", "", "empty"}, {"ca\nrol", "x", "control"}, {strings.Repeat("c", 129), "x", "129 bytes"}} {
			_, err := register(row[0], row[1])
			message := endsWith(codes.InvalidArgument, err).Message()
			require(strings.Contains(message, row[2]), "%q", message)
		}
		return nil
	}},

	{"import with bad rows", func() error {
		summary, err := importUsers([][2]string{{"dave", "a"}, {"", "b"}, {"ed\tith", "c"}, {"frank", "d"}, {"dave", "e"}, {"grace", ""}}...)
		if err != nil {
			return err
		}
		require(summary.Imported == 2 && summary.AlreadyThere == 1, "%v", summary)
		var bad []uint64
		for _, rejected := range summary.Rejected {
			bad = append(bad, rejected.Row)
		}
		require(slices.Equal(bad, []uint64{2, 3, 6}), "%v", summary)
		require(strings.Contains(summary.Rejected[1].Reason, "control"), "%v", summary)
		if _, err := getUUID(user("dave", "a")); err != nil {
			return err
		}
		grace, err := list(&pb.ListUsersRequest{Prefix: "grace"})
		require(len(grace) == 0, "%v", grace)
		return err
	}},

	{"import of nothing", func() error {
		summary, err := importUsers()
		require(proto.Equal(summary, &pb.ImportSummary{}), "%v", summary)
		return err
	}},

	{"import of more than two batches", func() error {
		var rows [][2]string
		for n := range 260 {
			rows = append(rows, [2]string{many(n), fmt.Sprint(n)})
		}
		summary, err := importUsers(rows...)
		require(proto.Equal(summary, &pb.ImportSummary{Imported: 260}), "%v", summary)
		return err
	}},

	{"import that is cancelled leaves nothing", func() error {
		cancelled, cancel := context.WithCancel(ctx)
		defer cancel()
		call, err := client.ImportUsers(cancelled)
		if err != nil {
			return err
		}
		for n := range 5 {
			if err := call.Send(&pb.ImportUser{Username: fmt.Sprintf("gone-%d", n), PasswordHash: "x"}); err != nil {
				return err
			}
		}
		time.AfterFunc(200*time.Millisecond, cancel)
		// Not CloseAndRecv: that would end the import in order.
		endsWith(codes.Canceled, call.RecvMsg(&pb.ImportSummary{}))
		gone, err := list(&pb.ListUsersRequest{Prefix: "gone-"})
		require(len(gone) == 0, "%v", gone)
		return err
	}},

	{"list of more than a page in order", func() error {
		call, err := client.ListUsers(ctx, &pb.ListUsersRequest{Prefix: "many-"})
		if err != nil {
			return err
		}
		users, err := rest(call)
		uuids := map[string]bool{}
		for n, user := range users {
			require(user.Username == many(n), "%d: %v", n, user)
			uuids[user.Uuid] = true
		}
		require(len(users) == 260 && len(uuids) == 260, "%d users, %d UUIDs", len(users), len(uuids))
		return err
	}},

	{"list with a limit and of nobody", func() error {
		two, err := list(&pb.ListUsersRequest{Limit: 2})
		if err != nil {
			return err
		}
		require(slices.Equal(two, []string{"alice", "bob"}), "%v", two)
		nobody, err := list(&pb.ListUsersRequest{Prefix: "zzz"})
		require(len(nobody) == 0, "%v", nobody)
		return err
	}},

	{"list that is cancelled", func() error {
		cancelled, cancel := context.WithCancel(ctx)
		defer cancel()
		call, err := client.ListUsers(cancelled, &pb.ListUsersRequest{})
		if err != nil {
			return err
		}
		first, err := call.Recv()
		cancel()
		if err != nil {
			return err
		}
		require(first.Username == "alice", "%v", first)
		// The rest may have come before.
		if _, err := rest(call); err != nil {
			endsWith(codes.Canceled, err)
		}
		one, err := list(&pb.ListUsersRequest{Limit: 1})
		require(slices.Equal(one, []string{"alice"}), "%v", one)
		return err
	}},

	// Each name is sent only after the last answer: nothing may wait for more to send together.
	{"resolve in turns", func() error {
		call, err := client.ResolveUsers(ctx)
		if err != nil {
			return err
		}
		for n := range 100 {
			name := "nobody"
			if n%2 == 0 {
				name = many(n)
			}
			if err := call.Send(&pb.ResolveUserRequest{Username: name}); err != nil {
				return err
			}
			answer, err := call.Recv()
			if err != nil {
				return err
			}
			require((answer.Uuid != "") == (n%2 == 0), "%d: %v", n, answer)
		}
		call.CloseSend()
		more, err := rest(call)
		require(len(more) == 0, "%v", more)
		return err
	}},

	{"resolve a thousand in order", func() error {
		call, err := client.ResolveUsers(ctx)
		if err != nil {
			return err
		}
		sent := make(chan error, 1)
		go func() {
			var err error
			for n := 0; n < 1000 && err == nil; n++ {
				err = call.Send(&pb.ResolveUserRequest{Username: many(n % 300)})
			}
			sent <- errors.Join(err, call.CloseSend())
		}()
		answers, err := rest(call)
		for n, answer := range answers {
			require(answer.Username == many(n%300) && (answer.Uuid != "") == (n%300 < 260), "%d: %v", n, answer)
		}
		require(len(answers) == 1000, "%d answers", len(answers))
		return errors.Join(err, <-sent)
	}},

	{"deadline of a nanosecond", func() error {
		short, cancel := context.WithTimeout(ctx, time.Nanosecond)
		defer cancel()
		_, err := client.GetUserUUID(short, alice())
		endsWith(codes.DeadlineExceeded, err)
		return nil
	}},

	{"deadline of a held stream", func() error {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		call, err := heldCall(short)
		if err != nil {
			return err
		}
		_, err = call.Recv()
		endsWith(codes.DeadlineExceeded, err)
		return nil
	}},

	{"cancel of a unary call", func() error {
		cancelled, cancel := context.WithCancel(ctx)
		time.AfterFunc(time.Millisecond, cancel)
		// The answer may win the race; what may not come is any other ending.
		if _, err := client.GetUserUUID(cancelled, alice()); err != nil {
			endsWith(codes.Canceled, err)
		}
		return nil
	}},

	{"cancel of a held stream", func() error {
		cancelled, cancel := context.WithCancel(ctx)
		defer cancel()
		call, err := heldCall(cancelled)
		if err != nil {
			return err
		}
		cancel()
		_, err = call.Recv()
		endsWith(codes.Canceled, err)
		return nil
	}},

	{"metadata of every kind is taken", func() error {
		sent := metadata.Pairs("x-text", "one", "x-text", "two, three", "x-bytes-bin", "\x00\xff,", "x-empty", "", "x-long", strings.Repeat("y", 4000))
		var headers, trailers metadata.MD
		_, err := client.GetUserUUID(metadata.NewOutgoingContext(ctx, sent), alice(), grpc.Header(&headers), grpc.Trailer(&trailers))
		// The service has none of its own; grpc-go shows what HTTP/2 carries beside.
		for _, name := range []string{"content-type", "date", "grpc-accept-encoding"} {
			headers.Delete(name)
		}
		require(len(headers) == 0 && len(trailers) == 0, "%v, %v", headers, trailers)
		return err
	}},

	{"metadata beyond the limit fails its own call only", func() error {
		neighbour, err := heldCall(ctx)
		if err != nil {
			return err
		}
		large := metadata.AppendToOutgoingContext(ctx, "x-long", strings.Repeat("y", 20_000))
		_, err = client.GetUserUUID(large, alice())
		// Which code is the client's choice: the limit stands in the server's SETTINGS.
		require(status.Code(err) != codes.OK, "20,000 bytes of metadata were taken")
		neighbour.CloseSend()
		more, err := rest(neighbour)
		require(len(more) == 0, "%v", more)
		return err
	}},

	{"a request beyond the limit is refused", func() error {
		_, err := getUUID(user(strings.Repeat("x", 2000), ""))
		endsWith(codes.ResourceExhausted, err)
		_, err = getUUID(alice())
		return err
	}},

	{"a compressed request is refused", func() error {
		_, err := client.GetUserUUID(ctx, user(strings.Repeat("x", 100), strings.Repeat("y", 100)), grpc.UseCompressor(gzip.Name))
		message := endsWith(codes.Unimplemented, err).Message()
		require(strings.Contains(message, "gzip"), "%q", message)
		return nil
	}},

	{"an unknown method is unimplemented", func() error {
		err := connection.Invoke(ctx, "/UserService/Nothing", alice(), &pb.GetUserResponse{})
		message := endsWith(codes.Unimplemented, err).Message()
		require(strings.Contains(message, "Nothing"), "%q", message)
		return nil
	}},

	{"many at once and all the same", func() error {
		type answer struct {
			uuid string
			err  error
		}
		answers := make(chan answer)
		for range 20 {
			go func() {
				uuid, err := getUUID(alice())
				answers <- answer{uuid, err}
			}()
		}
		uuids := map[string]bool{}
		var errs []error
		for range 20 {
			answer := <-answers
			uuids[answer.uuid] = true
			errs = append(errs, answer.err)
		}
		require(len(uuids) == 1, "%v", uuids)
		return errors.Join(errs...)
	}},
}

func main() {
	address = os.Args[1]
	var err error
	if connection, err = grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	client = pb.NewUserServiceClient(connection)
	runAll(checks)
}
