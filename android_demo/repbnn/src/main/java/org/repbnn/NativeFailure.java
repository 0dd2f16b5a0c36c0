package org.repbnn;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What native code reports, as an exception with a reason. Pure functions of the runtime's own words. */
final class NativeFailure {
    private static final Pattern UNRESOLVED = Pattern.compile("unresolved custom op: (\\w+)");
    private static final Pattern BUILTIN = Pattern.compile("Didn't find op for builtin opcode '(\\w+)'");
    private static final Pattern NOT_TAKEN = Pattern.compile("repbnn: (\\w+) \\(node \\d+\\) is not taken: .*");

    private NativeFailure() {}

    /**
     * @param stage {@code delegate}, {@code model}, {@code interpreter}, {@code allocate}, {@code tensor} or {@code run}.
     * @param message what the runtime or the delegate said first; may be empty.
     */
    static RepBnnException of(String stage, String message) {
        String said = message == null ? "" : message.trim();
        switch (stage) {
            case "delegate":
                return new RepBnnException(RepBnnException.Reason.BAD_OPTION, "The delegate refused: " + said);
            case "model":
                return new RepBnnException(RepBnnException.Reason.BAD_MODEL, "TensorFlow Lite cannot read the model"
                        + because(said) + ", so put the file that repbnn-edge convert wrote into the app unchanged.");
            case "tensor":
                return new RepBnnException(RepBnnException.Reason.BAD_SHAPE, "The tensor is not as large as the data"
                        + because(said) + ".");
            case "run":
                return new RepBnnException(RepBnnException.Reason.RUN_FAILED, "The network did not run"
                        + because(said) + ".");
            default:
                return ofPreparation(said);
        }
    }

    private static RepBnnException ofPreparation(String said) {
        Matcher taken = NOT_TAKEN.matcher(said);
        if (taken.find()) return refused(taken.group(1), said);
        Matcher unresolved = UNRESOLVED.matcher(said);
        if (unresolved.find()) return refused(unresolved.group(1), said);
        Matcher builtin = BUILTIN.matcher(said);
        if (builtin.find()) return refused(builtin.group(1), said);
        return new RepBnnException(RepBnnException.Reason.BAD_MODEL, "TensorFlow Lite cannot prepare the model"
                + because(said) + ".");
    }

    private static RepBnnException refused(String operator, String said) {
        return new RepBnnException(RepBnnException.Reason.OPERATOR_REFUSED, "The model has the operator " + operator
                + ", which neither the delegate nor this runtime can run, so see `repbnn-edge inspect`: " + said);
    }

    private static String because(String said) {
        return said.isEmpty() ? "" : " (" + said + ")";
    }
}
