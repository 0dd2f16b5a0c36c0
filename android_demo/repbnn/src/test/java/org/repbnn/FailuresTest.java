package org.repbnn;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import org.junit.Test;

/** Each sentence that a user meets when something is missing. */
public final class FailuresTest {
    private static final String[] ARM = {"arm64-v8a", "armeabi-v7a"};
    private static final String[] ARM_32 = {"armeabi-v7a", "armeabi"};

    @Test
    public void a32BitPhoneIsNamed() {
        RepBnnException said = LoadFailure.ofOurs(new UnsatisfiedLinkError("no file"), ARM_32, false, 4096);
        assertEquals(RepBnnException.Reason.WRONG_ABI, said.getReason());
        assertTrue(said.getMessage(), said.getMessage().contains("armeabi-v7a"));
        assertTrue(said.getMessage(), said.getMessage().contains("32-bit phones are not supported"));
    }

    @Test
    public void aLibraryThatIsNotInTheAppIsNamed() {
        RepBnnException said = LoadFailure.ofOurs(new UnsatisfiedLinkError("couldn't find it"), ARM, true, 4096);
        assertEquals(RepBnnException.Reason.LIBRARY_MISSING, said.getReason());
        assertTrue(said.getMessage(), said.getMessage().contains("couldn't find it"));
    }

    @Test
    public void largePagesNameTheRuntimeThatCan() {
        String linker = "\ntensorflowlite_jni: program alignment (4096) cannot be smaller than system page size (16384)";
        RepBnnException said = LoadFailure.ofRuntime(linker, 16384);
        assertEquals(RepBnnException.Reason.PAGE_SIZE, said.getReason());
        assertTrue(said.getMessage(), said.getMessage().contains("com.google.ai.edge.litert:litert"));
        RepBnnException ours = LoadFailure.ofOurs(new UnsatisfiedLinkError(linker), ARM, true, 16384);
        assertEquals(RepBnnException.Reason.PAGE_SIZE, ours.getReason());
    }

    @Test
    public void aMissingRuntimeNamesTheLineToAdd() {
        RepBnnException said = LoadFailure.ofRuntime("\nLiteRt: not found", 4096);
        assertEquals(RepBnnException.Reason.RUNTIME_MISSING, said.getReason());
        assertTrue(said.getMessage(), said.getMessage().contains("org.tensorflow:tensorflow-lite:2.16.1"));
        assertTrue(said.getMessage(), said.getMessage().contains("Play services"));
    }

    @Test
    public void refusedOperatorsAreNamed() {
        String[] words = {
            "repbnn: LceBconv2d (node 3) is not taken: stride 0",
            "Encountered unresolved custom op: LceBconv2d.",
            "Didn't find op for builtin opcode 'LceBconv2d' version '9'."
        };
        for (String said : words) {
            RepBnnException failure = NativeFailure.of("allocate", said);
            assertEquals(RepBnnException.Reason.OPERATOR_REFUSED, failure.getReason());
            assertTrue(failure.getMessage(), failure.getMessage().contains("the operator LceBconv2d"));
            assertTrue(failure.getMessage(), failure.getMessage().contains(said));
        }
    }

    @Test
    public void otherStagesHaveTheirReasons() {
        assertEquals(RepBnnException.Reason.BAD_OPTION, NativeFailure.of("delegate", "no").getReason());
        assertEquals(RepBnnException.Reason.BAD_MODEL, NativeFailure.of("model", "").getReason());
        assertEquals(RepBnnException.Reason.BAD_MODEL, NativeFailure.of("interpreter", null).getReason());
        assertEquals(RepBnnException.Reason.BAD_SHAPE, NativeFailure.of("tensor", "").getReason());
        assertEquals(RepBnnException.Reason.RUN_FAILED, NativeFailure.of("run", "").getReason());
    }
}
