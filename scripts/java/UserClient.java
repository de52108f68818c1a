import com.google.common.util.concurrent.ListenableFuture;
import io.grpc.CallOptions;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.Status.Code;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import temaki.user.GetUserRequest;
import temaki.user.GetUserResponse;
import temaki.user.ImportSummary;
import temaki.user.ImportUser;
import temaki.user.ListUsersRequest;
import temaki.user.RegisterUserRequest;
import temaki.user.ResolveUserRequest;
import temaki.user.ResolveUserResponse;
import temaki.user.User;
import temaki.user.UserServiceGrpc;

/**
 * A stock grpc-java client against the user service: UserClient ADDRESS
 *
 * <p>The checks are those of scripts/python/user_client.py, in the same order.
 */
final class UserClient {
    private static final GetUserRequest ALICE = user("alice", "wonderland");

    private final ManagedChannel channel;
    private final UserServiceGrpc.UserServiceBlockingV2Stub stub;

    private UserClient(ManagedChannel channel) {
        this.channel = channel;
        stub = UserServiceGrpc.newBlockingV2Stub(channel);
    }

    public static void main(String[] arguments) {
        ManagedChannel channel = Grpc.newChannelBuilder(arguments[0], InsecureChannelCredentials.create()).build();
        boolean passed = new UserClient(channel).checks().run();
        channel.shutdownNow();
        System.exit(passed ? 0 : 1);
    }

    private Checks checks() {
        Checks checks = new Checks();

        checks.add("right password", () -> {
            String first = stub.getUserUUID(ALICE).getUuid();
            Checks.require(stub.getUserUUID(ALICE).getUuid().equals(first), first);
            Checks.require(UUID.fromString(first).version() == 7, first);
        });

        checks.add("wrong password and unknown user look the same", () -> {
            Status wrong = Checks.endsWith(Code.UNAUTHENTICATED, () -> stub.getUserUUID(user("alice", "wonderland!")));
            Status unknown = Checks.endsWith(Code.UNAUTHENTICATED, () -> stub.getUserUUID(user("nobody", "wonderland")));
            Checks.require(!wrong.getDescription().isEmpty() && wrong.getDescription().equals(unknown.getDescription()), wrong + ", " + unknown);
        });

        checks.add("empty name and empty request", () -> {
            Checks.endsWith(Code.INVALID_ARGUMENT, () -> stub.getUserUUID(user("", "wonderland")));
            Checks.endsWith(Code.INVALID_ARGUMENT, () -> stub.getUserUUID(GetUserRequest.getDefaultInstance()));
        });

        checks.add("register twice", () -> {
            String made = register("bob", "builder");
            Checks.endsWith(Code.ALREADY_EXISTS, () -> register("bob", "thief"));
            Checks.require(stub.getUserUUID(user("bob", "builder")).getUuid().equals(made), made);
            Checks.endsWith(Code.UNAUTHENTICATED, () -> stub.getUserUUID(user("bob", "thief")));
        });

        checks.add("register what cannot be", () -> {
            for (String[] row : new String[][] {{"carol", "", "empty"}, {"ca\nrol", "x", "control"}, {"c".repeat(129), "x", "129 bytes"}}) {
                Status status = Checks.endsWith(Code.INVALID_ARGUMENT, () -> register(row[0], row[1]));
                Checks.require(status.getDescription().contains(row[2]), status);
            }
        });

        checks.add("import with bad rows", () -> {
            ImportSummary summary = importUsers(
                    row("dave", "a"), row("", "b"), row("ed\tith", "c"), row("frank", "d"), row("dave", "e"), row("grace", ""));
            Checks.require(summary.getImported() == 2 && summary.getAlreadyThere() == 1, summary);
            List<Long> bad = summary.getRejectedList().stream().map(ImportSummary.Rejected::getRow).toList();
            Checks.require(bad.equals(List.of(2L, 3L, 6L)), summary);
            Checks.require(summary.getRejected(1).getReason().contains("control"), summary);
            stub.getUserUUID(user("dave", "a"));
            Checks.require(list("grace", 0).isEmpty(), "grace is there");
        });

        checks.add("import of nothing", () -> {
            ImportSummary summary = importUsers();
            Checks.require(summary.equals(ImportSummary.getDefaultInstance()), summary);
        });

        checks.add("import of more than two batches", () -> {
            List<ImportUser> rows = new ArrayList<>();
            for (int n = 0; n < 260; n++) {
                rows.add(row(many(n), String.valueOf(n)));
            }
            ImportSummary summary = importUsers(rows.toArray(ImportUser[]::new));
            Checks.require(summary.equals(ImportSummary.newBuilder().setImported(260).build()), summary);
        });

        checks.add("import that is cancelled leaves nothing", () -> {
            BlockingClientCall<ImportUser, ImportSummary> call = stub.importUsers();
            for (int n = 0; n < 5; n++) {
                call.write(row("gone-" + n, "x"));
            }
            Thread.sleep(200);
            call.cancel("enough", null);
            Checks.endsWith(Code.CANCELLED, call::read);
            Checks.require(list("gone-", 0).isEmpty(), "some are there");
        });

        checks.add("list of more than a page in order", () -> {
            List<User> users = rest(stub.listUsers(ListUsersRequest.newBuilder().setPrefix("many-").build()));
            Set<String> uuids = new HashSet<>();
            for (int n = 0; n < users.size(); n++) {
                Checks.require(users.get(n).getUsername().equals(many(n)), users.get(n));
                uuids.add(users.get(n).getUuid());
            }
            Checks.require(users.size() == 260 && uuids.size() == 260, users.size());
        });

        checks.add("list with a limit and of nobody", () -> {
            Checks.require(list("", 2).equals(List.of("alice", "bob")), "not alice and bob");
            Checks.require(list("zzz", 0).isEmpty(), "somebody");
        });

        checks.add("list that is cancelled", () -> {
            BlockingClientCall<?, User> call = stub.listUsers(ListUsersRequest.getDefaultInstance());
            User first = call.read();
            Checks.require(first.getUsername().equals("alice"), first);
            call.cancel("enough", null);
            try {
                rest(call);
            } catch (StatusException error) {
                // Otherwise the rest had come before.
                Checks.require(error.getStatus().getCode() == Code.CANCELLED, error);
            }
            Checks.require(list("", 1).equals(List.of("alice")), "not alice");
        });

        // Each name is sent only after the last answer: nothing may wait for more to send together.
        checks.add("resolve in turns", () -> {
            BlockingClientCall<ResolveUserRequest, ResolveUserResponse> call = stub.withDeadlineAfter(60, TimeUnit.SECONDS).resolveUsers();
            for (int n = 0; n < 100; n++) {
                call.write(name(n % 2 == 0 ? many(n) : "nobody"));
                ResolveUserResponse answer = call.read();
                Checks.require(answer.getUuid().isEmpty() == (n % 2 != 0), answer);
            }
            call.halfClose();
            Checks.require(rest(call).isEmpty(), "one answer too many");
        });

        checks.add("resolve a thousand in order", () -> {
            List<ResolveUserResponse> answers = new ArrayList<>();
            CompletableFuture<Void> end = new CompletableFuture<>();
            StreamObserver<ResolveUserRequest> requests = UserServiceGrpc.newStub(channel).resolveUsers(new StreamObserver<>() {
                @Override
                public void onNext(ResolveUserResponse answer) {
                    answers.add(answer);
                }

                @Override
                public void onError(Throwable error) {
                    end.completeExceptionally(error);
                }

                @Override
                public void onCompleted() {
                    end.complete(null);
                }
            });
            for (int n = 0; n < 1000; n++) {
                requests.onNext(name(many(n % 300)));
            }
            requests.onCompleted();
            end.get(60, TimeUnit.SECONDS);
            Checks.require(answers.size() == 1000, answers.size());
            for (int n = 0; n < 1000; n++) {
                ResolveUserResponse answer = answers.get(n);
                Checks.require(answer.getUsername().equals(many(n % 300)) && answer.getUuid().isEmpty() == (n % 300 >= 260), answer);
            }
        });

        checks.add("deadline of a nanosecond", () ->
                Checks.endsWith(Code.DEADLINE_EXCEEDED, () -> stub.withDeadlineAfter(1, TimeUnit.NANOSECONDS).getUserUUID(ALICE)));

        checks.add("deadline of a held stream", () -> {
            BlockingClientCall<ResolveUserRequest, ResolveUserResponse> call = heldCall(stub.withDeadlineAfter(1, TimeUnit.SECONDS));
            Checks.endsWith(Code.DEADLINE_EXCEEDED, call::read);
        });

        checks.add("cancel of a unary call", () -> {
            ListenableFuture<GetUserResponse> call = UserServiceGrpc.newFutureStub(channel).getUserUUID(ALICE);
            Thread.sleep(1);
            // The answer may win the race; what may not come is any other ending.
            if (!call.cancel(true)) {
                try {
                    call.get();
                } catch (ExecutionException error) {
                    throw new AssertionError(error);
                }
            }
            stub.getUserUUID(ALICE);
        });

        checks.add("cancel of a held stream", () -> {
            BlockingClientCall<ResolveUserRequest, ResolveUserResponse> call = heldCall(stub);
            call.cancel("enough", null);
            Checks.endsWith(Code.CANCELLED, call::read);
        });

        checks.add("metadata of every kind is taken", () -> {
            Metadata metadata = new Metadata();
            metadata.put(key("x-text"), "one");
            metadata.put(key("x-text"), "two, three");
            metadata.put(Metadata.Key.of("x-bytes-bin", Metadata.BINARY_BYTE_MARSHALLER), new byte[] {0, -1, ','});
            metadata.put(key("x-empty"), "");
            metadata.put(key("x-long"), "y".repeat(4000));
            AtomicReference<Metadata> headers = new AtomicReference<>();
            AtomicReference<Metadata> trailers = new AtomicReference<>();
            stub.withInterceptors(
                    MetadataUtils.newAttachHeadersInterceptor(metadata),
                    MetadataUtils.newCaptureMetadataInterceptor(headers, trailers)).getUserUUID(ALICE);
            // The service has none of its own; grpc-java shows what HTTP/2 carries beside.
            Set<String> own = new HashSet<>(headers.get().keys());
            own.addAll(trailers.get().keys());
            own.removeAll(Set.of("content-type", "date", "grpc-accept-encoding", "grpc-encoding", "accept-encoding"));
            Checks.require(own.isEmpty(), own);
        });

        checks.add("metadata beyond the limit fails its own call only", () -> {
            BlockingClientCall<ResolveUserRequest, ResolveUserResponse> neighbour = heldCall(stub);
            Metadata metadata = new Metadata();
            metadata.put(key("x-long"), "y".repeat(20_000));
            try {
                stub.withInterceptors(MetadataUtils.newAttachHeadersInterceptor(metadata)).getUserUUID(ALICE);
                throw new AssertionError("20,000 bytes of metadata were taken");
            } catch (StatusException error) {
                // Which code is the client's choice: the limit stands in the server's SETTINGS.
                Checks.require(error.getStatus().getCode() != Code.OK, error);
            }
            neighbour.halfClose();
            Checks.require(rest(neighbour).isEmpty(), "one answer too many");
        });

        checks.add("a request beyond the limit is refused", () -> {
            Checks.endsWith(Code.RESOURCE_EXHAUSTED, () -> stub.getUserUUID(user("x".repeat(2000), "")));
            stub.getUserUUID(ALICE);
        });

        checks.add("a compressed request is refused", () -> {
            GetUserRequest request = user("x".repeat(100), "y".repeat(100));
            Status status = Checks.endsWith(Code.UNIMPLEMENTED, () -> stub.withCompression("gzip").getUserUUID(request));
            Checks.require(status.getDescription().contains("gzip"), status);
        });

        checks.add("an unknown method is unimplemented", () -> {
            MethodDescriptor<GetUserRequest, GetUserResponse> unknown =
                    UserServiceGrpc.getGetUserUUIDMethod().toBuilder().setFullMethodName("UserService/Nothing").build();
            Status status = Checks.endsWith(
                    Code.UNIMPLEMENTED, () -> ClientCalls.blockingUnaryCall(channel, unknown, CallOptions.DEFAULT, ALICE));
            Checks.require(status.getDescription().contains("Nothing"), status);
        });

        checks.add("many at once and all the same", () -> {
            List<ListenableFuture<GetUserResponse>> calls = new ArrayList<>();
            for (int n = 0; n < 20; n++) {
                calls.add(UserServiceGrpc.newFutureStub(channel).getUserUUID(ALICE));
            }
            Set<String> uuids = new HashSet<>();
            for (ListenableFuture<GetUserResponse> call : calls) {
                uuids.add(call.get(60, TimeUnit.SECONDS).getUuid());
            }
            Checks.require(uuids.size() == 1, uuids);
        });

        return checks;
    }

    private static GetUserRequest user(String name, String password) {
        return GetUserRequest.newBuilder().setUsername(name).setPasswordHash(password).build();
    }

    private static ImportUser row(String name, String password) {
        return ImportUser.newBuilder().setUsername(name).setPasswordHash(password).build();
    }

    private static ResolveUserRequest name(String name) {
        return ResolveUserRequest.newBuilder().setUsername(name).build();
    }

    private static String many(int n) {
        return String.format("many-%03d", n);
    }

    private static Metadata.Key<String> key(String name) {
        return Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
    }

    private String register(String name, String password) throws StatusException {
        return stub.registerUser(RegisterUserRequest.newBuilder().setUsername(name).setPasswordHash(password).build()).getUuid();
    }

    private ImportSummary importUsers(ImportUser... rows) throws Exception {
        BlockingClientCall<ImportUser, ImportSummary> call = stub.importUsers();
        for (ImportUser row : rows) {
            if (!call.write(row)) {
                break; // read says why
            }
        }
        call.halfClose();
        return call.read();
    }

    private List<String> list(String prefix, long limit) throws Exception {
        ListUsersRequest request = ListUsersRequest.newBuilder().setPrefix(prefix).setLimit(limit).build();
        return rest(stub.listUsers(request)).stream().map(User::getUsername).toList();
    }

    /** All answers that are left. */
    private static <T> List<T> rest(BlockingClientCall<?, T> call) throws Exception {
        List<T> answers = new ArrayList<>();
        for (T answer = call.read(); answer != null; answer = call.read()) {
            answers.add(answer);
        }
        return answers;
    }

    /** Opens ResolveUsers, asks for alice, and leaves it open. */
    private static BlockingClientCall<ResolveUserRequest, ResolveUserResponse> heldCall(UserServiceGrpc.UserServiceBlockingV2Stub stub)
            throws Exception {
        BlockingClientCall<ResolveUserRequest, ResolveUserResponse> call = stub.resolveUsers();
        call.write(name("alice"));
        ResolveUserResponse answer = call.read();
        Checks.require(answer.getUsername().equals("alice") && !answer.getUuid().isEmpty(), answer);
        return call;
    }
}
