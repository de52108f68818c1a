// A stock gRPC C++ client against the user service: user_client ADDRESS
//
// The checks are those of scripts/python/user_client.py, in the same order.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <future>
#include <memory>
#include <regex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "checks.h"
#include "user.grpc.pb.h"

using grpc::ClientContext;
using grpc::Status;
using grpc::StatusCode;
using std::string;
using namespace std::chrono_literals;

namespace {

std::shared_ptr<grpc::Channel> channel;
std::unique_ptr<UserService::Stub> stub;

using Rows = std::vector<std::pair<string, string>>;
using Names = std::vector<string>;
using HeldCall = grpc::ClientReaderWriter<ResolveUserRequest, ResolveUserResponse>;

string many(int n) { return "many-" + string(n < 10 ? "00" : n < 100 ? "0" : "") + std::to_string(n); }

GetUserRequest user(const string &name, const string &password) {
    GetUserRequest request;
    request.set_username(name);
    request.set_password_hash(password);
    return request;
}

GetUserRequest alice() { return user("alice", "wonderland"); }

Status get_uuid(const GetUserRequest &request, string *uuid = nullptr) {
    ClientContext context;
    GetUserResponse answer;
    Status status = stub->GetUserUUID(&context, request, &answer);
    if (uuid) *uuid = answer.uuid();
    return status;
}

Status register_user(const string &name, const string &password, string *uuid = nullptr) {
    ClientContext context;
    RegisterUserRequest request;
    request.set_username(name);
    request.set_password_hash(password);
    RegisterUserResponse answer;
    Status status = stub->RegisterUser(&context, request, &answer);
    if (uuid) *uuid = answer.uuid();
    return status;
}

ImportUser row(const string &name, const string &password) {
    ImportUser row;
    row.set_username(name);
    row.set_password_hash(password);
    return row;
}

ImportSummary import_users(const Rows &rows) {
    ClientContext context;
    ImportSummary summary;
    auto call = stub->ImportUsers(&context, &summary);
    for (const auto &[name, password] : rows)
        if (!call->Write(row(name, password))) break;  // Finish says why
    call->WritesDone();
    ok(call->Finish());
    return summary;
}

std::vector<User> list_users(const string &prefix, uint64_t limit) {
    ClientContext context;
    ListUsersRequest request;
    request.set_prefix(prefix);
    request.set_limit(limit);
    auto call = stub->ListUsers(&context, request);
    std::vector<User> users;
    for (User user; call->Read(&user);) users.push_back(user);
    ok(call->Finish());
    return users;
}

Names list(const string &prefix, uint64_t limit = 0) {
    Names names;
    for (const User &user : list_users(prefix, limit)) names.push_back(user.username());
    return names;
}

ResolveUserRequest name(const string &name) {
    ResolveUserRequest request;
    request.set_username(name);
    return request;
}

// Opens ResolveUsers, asks for alice, and leaves it open.
std::unique_ptr<HeldCall> held_call(ClientContext *context) {
    auto call = stub->ResolveUsers(context);
    ResolveUserResponse answer;
    if (!call->Write(name("alice")) || !call->Read(&answer)) require(false, call->Finish().error_message());
    require(answer.username() == "alice" && !answer.uuid().empty(), "not alice: ", answer.ShortDebugString());
    return call;
}

// The end of a call of which no further answer is expected.
Status end(HeldCall &call) {
    ResolveUserResponse more;
    require(!call.Read(&more), "one answer too many: ", more.ShortDebugString());
    return call.Finish();
}

const std::vector<Check> checks = {
    {"right password", [] {
        string first, second;
        ok(get_uuid(alice(), &first));
        ok(get_uuid(alice(), &second));
        require(first == second, first, ", then ", second);
        std::regex v7("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
        require(std::regex_match(first, v7), "not a UUID of version 7: ", first);
    }},

    {"wrong password and unknown user look the same", [] {
        Status wrong = ends_with(StatusCode::UNAUTHENTICATED, get_uuid(user("alice", "wonderland!")));
        Status unknown = ends_with(StatusCode::UNAUTHENTICATED, get_uuid(user("nobody", "wonderland")));
        require(!wrong.error_message().empty(), "no message");
        require(wrong.error_message() == unknown.error_message(), wrong.error_message(), ", ", unknown.error_message());
    }},

    {"empty name and empty request", [] {
        ends_with(StatusCode::INVALID_ARGUMENT, get_uuid(user("", "wonderland")));
        ends_with(StatusCode::INVALID_ARGUMENT, get_uuid(GetUserRequest()));
    }},

    {"register twice", [] {
        string made, found;
        ok(register_user("bob", "builder", &made));
        ends_with(StatusCode::ALREADY_EXISTS, register_user("bob", "thief"));
        ok(get_uuid(user("bob", "builder"), &found));
        require(found == made, "made ", made, ", found ", found);
        ends_with(StatusCode::UNAUTHENTICATED, get_uuid(user("bob", "thief")));
    }},

    {"register what cannot be", [] {
        const string long_name(129, 'c');
        for (auto [name, password, reason] : {std::tuple{string("carol"), "", "empty"}, {"ca\nrol", "x", "control"}, {long_name, "x", "129 bytes"}}) {
            Status status = ends_with(StatusCode::INVALID_ARGUMENT, register_user(name, password));
            require(status.error_message().find(reason) != string::npos, status.error_message());
        }
    }},

    {"import with bad rows", [] {
        ImportSummary summary = import_users({{"dave", "a"}, {"", "b"}, {"ed\tith", "c"}, {"frank", "d"}, {"dave", "e"}, {"grace", ""}});
        require(summary.imported() == 2 && summary.already_there() == 1, summary.ShortDebugString());
        std::vector<uint64_t> bad;
        for (const auto &rejected : summary.rejected()) bad.push_back(rejected.row());
        require(bad == std::vector<uint64_t>{2, 3, 6}, summary.ShortDebugString());
        require(summary.rejected(1).reason().find("control") != string::npos, summary.ShortDebugString());
        ok(get_uuid(user("dave", "a")));
        require(list("grace").empty(), "grace is there");
    }},

    {"import of nothing", [] {
        ImportSummary summary = import_users({});
        require(summary.ByteSizeLong() == 0, summary.ShortDebugString());
    }},

    {"import of more than two batches", [] {
        Rows rows;
        for (int n = 0; n < 260; ++n) rows.emplace_back(many(n), std::to_string(n));
        ImportSummary summary = import_users(rows);
        require(summary.imported() == 260 && summary.already_there() == 0 && summary.rejected_size() == 0, summary.ShortDebugString());
    }},

    {"import that is cancelled leaves nothing", [] {
        ClientContext context;
        ImportSummary summary;
        auto call = stub->ImportUsers(&context, &summary);
        for (int n = 0; n < 5; ++n) require(call->Write(row("gone-" + std::to_string(n), "x")), "row ", n, " could not be sent");
        std::this_thread::sleep_for(200ms);
        context.TryCancel();
        ends_with(StatusCode::CANCELLED, call->Finish());
        require(list("gone-").empty(), "some are there");
    }},

    {"list of more than a page in order", [] {
        auto users = list_users("many-", 0);
        std::set<string> uuids;
        for (size_t n = 0; n < users.size(); ++n) {
            require(users[n].username() == many(n), n, ": ", users[n].ShortDebugString());
            uuids.insert(users[n].uuid());
        }
        require(users.size() == 260 && uuids.size() == 260, users.size(), " users, ", uuids.size(), " UUIDs");
    }},

    {"list with a limit and of nobody", [] {
        require(list("", 2) == Names{"alice", "bob"}, "not alice and bob");
        require(list("zzz").empty(), "somebody");
    }},

    {"list that is cancelled", [] {
        ClientContext context;
        auto call = stub->ListUsers(&context, ListUsersRequest());
        User user;
        require(call->Read(&user) && user.username() == "alice", "not alice first: ", user.ShortDebugString());
        context.TryCancel();
        while (call->Read(&user)) {
        }
        Status status = call->Finish();
        // The rest may have come before.
        if (!status.ok()) ends_with(StatusCode::CANCELLED, status);
        require(list("", 1) == Names{"alice"}, "not alice");
    }},

    // Each name is sent only after the last answer: nothing may wait for more to send together.
    {"resolve in turns", [] {
        ClientContext context;
        auto call = stub->ResolveUsers(&context);
        for (int n = 0; n < 100; ++n) {
            ResolveUserResponse answer;
            if (!call->Write(name(n % 2 == 0 ? many(n) : "nobody")) || !call->Read(&answer)) ok(call->Finish());
            require(answer.uuid().empty() == (n % 2 != 0), n, ": ", answer.ShortDebugString());
        }
        call->WritesDone();
        ok(end(*call));
    }},

    {"resolve a thousand in order", [] {
        ClientContext context;
        auto call = stub->ResolveUsers(&context);
        std::thread sender([&call] {
            for (int n = 0; n < 1000; ++n)
                if (!call->Write(name(many(n % 300)))) break;
            call->WritesDone();
        });
        std::vector<ResolveUserResponse> answers;
        for (ResolveUserResponse answer; call->Read(&answer);) answers.push_back(answer);
        sender.join();
        ok(call->Finish());
        require(answers.size() == 1000, answers.size(), " answers");
        for (int n = 0; n < 1000; ++n)
            require(answers[n].username() == many(n % 300) && answers[n].uuid().empty() == (n % 300 >= 260), n, ": ", answers[n].ShortDebugString());
    }},

    {"deadline of a nanosecond", [] {
        ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + 1ns);
        GetUserResponse answer;
        ends_with(StatusCode::DEADLINE_EXCEEDED, stub->GetUserUUID(&context, alice(), &answer));
    }},

    {"deadline of a held stream", [] {
        ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + 1s);
        auto call = held_call(&context);
        ends_with(StatusCode::DEADLINE_EXCEEDED, end(*call));
    }},

    {"cancel of a unary call", [] {
        ClientContext context;
        std::thread canceller([&context] {
            std::this_thread::sleep_for(1ms);
            context.TryCancel();
        });
        GetUserResponse answer;
        Status status = stub->GetUserUUID(&context, alice(), &answer);
        canceller.join();
        // The answer may win the race; what may not come is any other ending.
        if (!status.ok()) ends_with(StatusCode::CANCELLED, status);
    }},

    {"cancel of a held stream", [] {
        ClientContext context;
        auto call = held_call(&context);
        context.TryCancel();
        ends_with(StatusCode::CANCELLED, end(*call));
    }},

    {"metadata of every kind is taken", [] {
        ClientContext context;
        context.AddMetadata("x-text", "one");
        context.AddMetadata("x-text", "two, three");
        context.AddMetadata("x-bytes-bin", string("\0\xff,", 3));
        context.AddMetadata("x-empty", "");
        context.AddMetadata("x-long", string(4000, 'y'));
        GetUserResponse answer;
        Status status = stub->GetUserUUID(&context, alice(), &answer);
        ok(status);
        require(status.error_message().empty() && status.error_details().empty(), "OK comes with a message");
        // The service has none of its own.
        for (const auto *metadata : {&context.GetServerInitialMetadata(), &context.GetServerTrailingMetadata()})
            for (const auto &[key, value] : *metadata) require(false, string(key.data(), key.size()), ": ", string(value.data(), value.size()));
    }},

    {"metadata beyond the limit fails its own call only", [] {
        ClientContext neighbour_context;
        auto neighbour = held_call(&neighbour_context);
        ClientContext context;
        context.AddMetadata("x-long", string(20'000, 'y'));
        GetUserResponse answer;
        // Which code is the client's choice: the limit stands in the server's SETTINGS.
        require(!stub->GetUserUUID(&context, alice(), &answer).ok(), "20,000 bytes of metadata were taken");
        neighbour->WritesDone();
        ok(end(*neighbour));
    }},

    {"a request beyond the limit is refused", [] {
        ends_with(StatusCode::RESOURCE_EXHAUSTED, get_uuid(user(string(2000, 'x'), "")));
        ok(get_uuid(alice()));
    }},

    {"a compressed request is refused", [] {
        ClientContext context;
        context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
        GetUserResponse answer;
        Status status = stub->GetUserUUID(&context, user(string(100, 'x'), string(100, 'y')), &answer);
        ends_with(StatusCode::UNIMPLEMENTED, status);
        require(status.error_message().find("gzip") != string::npos, status.error_message());
    }},

    {"an unknown method is unimplemented", [] {
        grpc::TemplatedGenericStub<GetUserRequest, GetUserResponse> generic(channel);
        ClientContext context;
        const GetUserRequest request = alice();
        GetUserResponse answer;
        std::promise<Status> outcome;
        generic.UnaryCall(&context, "/UserService/Nothing", {}, &request, &answer, [&outcome](Status status) { outcome.set_value(std::move(status)); });
        Status status = outcome.get_future().get();
        ends_with(StatusCode::UNIMPLEMENTED, status);
        require(status.error_message().find("Nothing") != string::npos, status.error_message());
    }},

    {"many at once and all the same", [] {
        std::vector<std::future<string>> calls;
        for (int n = 0; n < 20; ++n)
            calls.push_back(std::async(std::launch::async, [] {
                string uuid;
                ok(get_uuid(alice(), &uuid));
                return uuid;
            }));
        std::set<string> uuids;
        for (auto &call : calls) uuids.insert(call.get());
        require(uuids.size() == 1, uuids.size(), " UUIDs");
    }},
};

}  // namespace

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    channel = grpc::CreateChannel(argv[1], grpc::InsecureChannelCredentials());
    stub = UserService::NewStub(channel);
    return run_all(checks);
}
