package org.repbnn;

/**
 * What went wrong, in one sentence that says what to do; {@link #getReason} is for code.
 *
 * <p>Unchecked, so that Kotlin and Java callers write the same lines. Using an object after {@code close()} is not in
 * here: that is an {@link IllegalStateException}.
 */
public final class RepBnnException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** Why, as a closed list; a later version may add to it. */
    public enum Reason {
        /** This processor architecture is not supported: a 32-bit phone, most of all. */
        WRONG_ABI,
        /** librepbnn_delegate.so or librepbnn_jni.so is not in the app. */
        LIBRARY_MISSING,
        /** The app has no TensorFlow Lite, or one without a C interface. */
        RUNTIME_MISSING,
        /** A library is laid out for 4 KB pages and this device has larger ones. */
        PAGE_SIZE,
        /** The bytes are no TFLite model: broken, truncated, or something else. */
        BAD_MODEL,
        /** A TFLite model without one binary layer of larq-compute-engine. */
        NOT_BINARY,
        /** The model has an operator that neither the delegate nor the runtime can run; the message names it. */
        OPERATOR_REFUSED,
        /** An option that does not exist, or a value that it does not take. */
        BAD_OPTION,
        /** The model's input or output is not what the caller takes it for. */
        BAD_SHAPE,
        /** A picture that cannot be read: recycled, or of no size. */
        BAD_PICTURE,
        /** The runtime failed while it ran the network. */
        RUN_FAILED
    }

    private final Reason reason;

    /** For this library, and for an app's tests. */
    public RepBnnException(Reason reason, String message) {
        this(reason, message, null);
    }

    RepBnnException(Reason reason, String message, Throwable cause) {
        super(message, cause);
        this.reason = reason;
    }

    /** Why, for code. */
    public Reason getReason() {
        return reason;
    }
}
