// A check has a name; each is run, and the last line counts them. It fails by an exception.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

struct Check {
    std::string name;
    std::function<void()> run;
};

template <typename... Parts>
std::string text(const Parts &...parts) {
    std::ostringstream out;
    (out << ... << parts);
    return out.str();
}

// Ends a check unless it holds.
template <typename... Parts>
void require(bool holds, const Parts &...why) {
    if (!holds) throw std::runtime_error(text(why...));
}

// The call has ended with this code.
inline const grpc::Status &ends_with(grpc::StatusCode code, const grpc::Status &status) {
    require(status.error_code() == code, "expected ", code, ", got ", status.error_code(), ": ", status.error_message());
    return status;
}

inline void ok(const grpc::Status &status) { ends_with(grpc::StatusCode::OK, status); }

inline int run_all(const std::vector<Check> &checks) {
    int passed = 0, failed = 0;
    for (const Check &check : checks) {
        try {
            check.run();
            ++passed;
            std::cout << "ok    " << check.name << std::endl;
        } catch (const std::exception &error) {
            ++failed;
            std::cout << "FAIL  " << check.name << "\n      " << error.what() << std::endl;
        }
    }
    std::cout << passed << " passed, " << failed << " failed" << std::endl;
    return failed > 0;
}
