package org.repbnn.sample;

import android.app.Activity;
import android.os.Build;
import android.view.View;
import android.view.ViewGroup;
import android.widget.LinearLayout;
import android.widget.TextView;
import java.text.NumberFormat;
import java.util.Map;
import java.util.TreeMap;
import org.repbnn.ModelMetadata;

/** What the network and the phone are, a line a fact. */
final class FactCards {
    private static final double KILO = 1e3;
    private static final float LARGE_FONT = 1.5f;
    private static final double MEGA = 1e6;
    private static final double GIGA = 1e9;
    private static final double GIGAHERTZ = 1e6; // in kilohertz

    private final Activity activity;
    private Network shown;

    FactCards(Activity activity) {
        this.activity = activity;
    }

    void showNetwork(Network network) {
        ViewGroup card = activity.findViewById(R.id.model_facts);
        activity.findViewById(R.id.model_card).setVisibility(network == null ? View.GONE : View.VISIBLE);
        if (network == null || network == shown) return;
        shown = network;
        card.removeAllViews();
        ModelMetadata metadata = network.metadata();
        int[] input = metadata.getInputShape();
        add(card, R.string.fact_name, metadata.getName());
        add(card, R.string.fact_size, activity.getString(R.string.bytes_kb, number(network.bytes() / KILO, 0)));
        if (input.length == 4) add(card, R.string.fact_input, input[2] + " × " + input[1] + " × " + input[3]);
        int[] output = metadata.getOutputShape();
        if (output.length > 0) add(card, R.string.fact_classes, number(output[output.length - 1], 0));
        add(card, R.string.fact_operators, activity.getString(R.string.fact_operators_value,
                metadata.getOperatorCount(), metadata.getBinaryConvolutionCount()));
        add(card, R.string.fact_work, activity.getString(R.string.fact_work_value,
                number(metadata.getBinaryMacs() / MEGA, 1), number(metadata.getFloatMacs() / MEGA, 1)));
        add(card, R.string.fact_runtime, activity.getString(R.string.fact_runtime_value, network.runtimeVersion()));
    }

    void showPhone() {
        ViewGroup card = activity.findViewById(R.id.device_facts);
        card.removeAllViews();
        String chip = PhoneFacts.chip();
        add(card, R.string.fact_model, PhoneFacts.name());
        add(card, R.string.fact_chip, chip == null ? activity.getString(R.string.unknown) : chip);
        add(card, R.string.fact_cores, cores());
        long memory = PhoneFacts.memoryBytes(activity);
        if (memory > 0) add(card, R.string.fact_memory, activity.getString(R.string.bytes_gb, number(memory / GIGA, 1)));
        add(card, R.string.fact_android, Build.VERSION.RELEASE + " (API " + Build.VERSION.SDK_INT + ")");
        add(card, R.string.fact_abi, Build.SUPPORTED_ABIS[0]);
        long page = PhoneFacts.pageBytes();
        if (page > 0) add(card, R.string.fact_pages, activity.getString(R.string.bytes_kb, number(page / 1024.0, 0)));
    }

    /** "4 at 1.80 GHz, 4 at 2.84 GHz": cores are grouped by their clock, never by their number. */
    private String cores() {
        int count = Runtime.getRuntime().availableProcessors();
        Map<Long, Integer> groups = new TreeMap<>();
        for (int core = 0; core < count; core++) {
            Long clock = PhoneFacts.maxKilohertz(core);
            if (clock == null) return Integer.toString(count);
            Integer others = groups.get(clock);
            groups.put(clock, others == null ? 1 : others + 1);
        }
        StringBuilder text = new StringBuilder();
        for (Map.Entry<Long, Integer> group : groups.entrySet()) {
            if (text.length() > 0) text.append(", ");
            text.append(group.getValue()).append(" at ").append(number(group.getKey() / GIGAHERTZ, 2)).append(" GHz");
        }
        return text.toString();
    }

    private void add(ViewGroup card, int key, String value) {
        LinearLayout row = (LinearLayout) activity.getLayoutInflater().inflate(R.layout.fact, card, false);
        if (activity.getResources().getConfiguration().fontScale >= LARGE_FONT) stack(row);
        ((TextView) row.findViewById(R.id.key)).setText(key);
        ((TextView) row.findViewById(R.id.value)).setText(value);
        card.addView(row);
    }

    /** Side by side, a large font would break words. */
    private static void stack(LinearLayout row) {
        row.setOrientation(LinearLayout.VERTICAL);
        for (int i = 0; i < row.getChildCount(); i++) {
            LinearLayout.LayoutParams place = (LinearLayout.LayoutParams) row.getChildAt(i).getLayoutParams();
            place.width = LinearLayout.LayoutParams.MATCH_PARENT;
            place.weight = 0;
            place.setMarginStart(0);
        }
    }

    private static String number(double value, int fraction) {
        NumberFormat format = NumberFormat.getNumberInstance();
        format.setMaximumFractionDigits(fraction);
        format.setMinimumFractionDigits(fraction);
        return format.format(value);
    }
}
