import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;

/** A check has a name; each is run, and the last line counts them. It fails by an exception. */
final class Checks {
    interface Check {
        void run() throws Exception;
    }

    private final Map<String, Check> checks = new LinkedHashMap<>();

    void add(String name, Check check) {
        checks.put(name, check);
    }

    /** Whether all have passed. */
    boolean run() {
        int passed = 0;
        int failed = 0;
        for (Map.Entry<String, Check> check : checks.entrySet()) {
            try {
                check.getValue().run();
                passed++;
                System.out.println("ok    " + check.getKey());
            } catch (Throwable error) {
                failed++;
                System.out.println("FAIL  " + check.getKey());
                error.printStackTrace(System.out);
            }
        }
        System.out.println(passed + " passed, " + failed + " failed");
        return failed == 0;
    }

    static void require(boolean holds, Object why) {
        if (!holds) {
            throw new AssertionError(why);
        }
    }

    /** The call fails with this code; returns the status for a closer look. */
    static Status endsWith(Status.Code code, Callable<?> call) throws Exception {
        Object answer;
        try {
            answer = call.call();
        } catch (StatusException | StatusRuntimeException error) {
            Status status = Status.fromThrowable(error);
            require(status.getCode() == code, "expected " + code + ", got " + status);
            return status;
        }
        throw new AssertionError("expected " + code + ", got the answer " + answer);
    }
}
